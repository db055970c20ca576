"""What the first page asks of windows and alarms over time, beside the series of store_dashboard.py."""

from __future__ import annotations

from datetime import datetime

from pipeline.store import Store
from pipeline.store_dashboard import SHOWN, STATISTICS, Document, Selection, Stages, begun, bin_of, by_time
from pipeline.store_faults import translated

_PLACE = ("sensor_type", "location")


def series_and_cells(
    store: Store, selection: Selection, since: datetime, until: datetime, bin_seconds: int
) -> list[Document]:
    """What store_dashboard.series gives, and behind it the windows put together by type and location.

    These have sensor_type, location, at (`since`), avg, min, max and count.
    """
    by_place: Stages = [
        {"$group": {"_id": {name: f"${name}" for name in _PLACE}, **STATISTICS}},
        {"$project": {**SHOWN, **{name: f"$_id.{name}" for name in _PLACE}}},
    ]
    both = {"$facet": {"series": by_time(bin_seconds), "cells": by_place}}
    with translated(store.address):
        [found] = store.collection("windowed_metrics").aggregate([begun(selection, since, until), both])
    return [*found["series"], *({**one, "at": since} for one in found["cells"])]


def alarms_seen(
    store: Store, selection: Selection, since: datetime, until: datetime, bin_seconds: int
) -> list[Document]:
    """How many alarms were last seen in each bin of [since, until): `at` and `count`."""
    stages: Stages = [
        {"$match": {"last.at": {"$gte": since, "$lt": until}, **selection.matching("last.")}},
        {"$group": {"_id": bin_of("$last.at", bin_seconds), "count": {"$sum": 1}}},
        {"$project": {"_id": 0, "at": "$_id", "count": 1}},
    ]
    with translated(store.address):
        return list(store.collection("alarms").aggregate(stages))

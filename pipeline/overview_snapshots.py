"""What the overview draws: figures, charts, alarms and the pipeline's health as one document."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pipeline import alarm_snapshots, figures, overview_trends, pipeline_states, store_dashboard, store_windows
from pipeline.alarm_lists import AlarmLists
from pipeline.catalog import Catalog
from pipeline.figures import milliseconds
from pipeline.snapshots import Sources
from pipeline.store import Store
from pipeline.store_dashboard import Choices, Selection
from pipeline.supply import throughput
from pipeline.view import View
from pipeline.window_history import POINTS, WIDE_POINTS, Histories, Read, bin_seconds

Document = dict[str, Any]
Record = Mapping[str, Any]

QUERIES = ("router", "readings", "windows")
BATCHES = 30
# A longer time is not compared with the one before it, which may not be kept any more.
COMPARED_SECONDS = 7 * 86_400
# The fields of the view that matter here.
FIELDS = ("types", "locations", "range", "since", "until", "alarms")


class OverviewSnapshots:
    """Makes the overview's document, and keeps what was read of the past."""

    def __init__(self, sources: Sources) -> None:
        self._store, self._catalog, self._rules = sources.store, sources.catalog, sources.rules
        self._now = sources.now
        self._alarms = AlarmLists(sources)
        self._histories = Histories(sources.clock)

    def make(self, view: View) -> Document:
        """The document for a view; raises StoreError."""
        store, rules, now = self._store, self._rules, self._now()
        selection = Selection(view.types, view.locations)
        known = store_dashboard.choices(store)
        sensors = store_dashboard.sensors(store, selection, now - timedelta(seconds=rules.alive_within))
        progress = store_dashboard.progress(store, QUERIES, BATCHES)
        past = _Past(self._store, self._histories, selection, known, view, now)
        alarms = self._alarms.listed(alarm_snapshots.of_panel(view, past.since, past.until))
        points, everywhere = past.windows()
        trends = past.trends(points)
        drawn = overview_trends.grown(points, now)
        return {
            "complete": past.is_complete,
            # How many sensors match the filters: with none of them there is nothing to show.
            "matching": sensors.known,
            "figures": {
                "rate": _rate(points, progress["readings"], view, selection, now),
                "known": sensors.known,
                "alive": sensors.alive,
                "alive_within": rules.alive_within,
                "open": alarms["counts"]["active"][0],
                "open_at_limit": alarms["at_limit"],
                "critical": alarms["critical"],
                "newest": milliseconds(sensors.newest) if sensors.newest else None,
                "filtered": selection != Selection(),
            },
            "trends": trends,
            "latency": overview_trends.latencies(progress["readings"]),
            "cells": overview_trends.cells(everywhere, self._catalog),
            "charts": {
                name: {"figure": figure, **_heading(name, drawn, self._catalog)}
                for name, figure in figures.charts(drawn, self._catalog, past.since, past.until, past.width).items()
            },
            "alarms": alarms,
            "parts": [asdict(part) for part in pipeline_states.parts(QUERIES, progress, now, None)],
        }


class _Past:
    """What is asked of windows and alarms over the time of a view, and over the time of the same length before it.

    `is_complete` says whether all that was asked for so far was there.
    """

    def __init__(
        self, store: Store, histories: Histories, selection: Selection, known: Choices, view: View, now: datetime
    ) -> None:
        self._store, self._histories, self._selection = store, histories, selection
        self.since, self.until = view.span(now)
        self._now = now
        self.is_complete = True
        self.seconds = (self.until - self.since).total_seconds()
        # A chart that stands alone has all the width.
        alone = len(selection.types or known.types) == 1
        self.width = bin_seconds(self.seconds, WIDE_POINTS if alone else POINTS)

    def windows(self) -> tuple[list[Record], list[Record]]:
        """The chosen points over time, and those of every type and location."""
        over_time, placed = overview_trends.split(self._windows(self._selection, self.since, self.until))
        if self._selection == Selection():
            return over_time, placed
        # Beside what is chosen the heat map shows what else could be.
        return over_time, overview_trends.split(self._windows(Selection(), self.since, self.until))[1]

    def trends(self, points: Sequence[Record]) -> Document:
        """Readings and alarms over the time that is shown, and how many there were before (None: not known yet)."""
        alarms = self._alarms(self.since, self.until)
        # The newest windows are not there yet as a whole.
        until = max(self.since, min(self.until, self._now - overview_trends.GROWING))
        before = None
        if self.is_complete and self.seconds <= COMPARED_SECONDS:
            since = self.since - (self.until - self.since)
            earlier = self._windows(self._selection, since, self.since)
            seen = self._alarms(since, self.since)
            if self.is_complete:
                before = {
                    "mean": overview_trends.mean_rate(overview_trends.split(earlier)[0], since, self.since),
                    "alarms": overview_trends.total(seen),
                }
        return {
            "seconds": self.seconds,
            "mean": overview_trends.mean_rate(points, self.since, until),
            "rate": overview_trends.sparkline(points, self.since, until, self.width),
            "alarms": overview_trends.total(alarms),
            "seen": overview_trends.sparkline(alarms, self.since, self.until, self.width),
            "before": before,
        }

    def _windows(self, selection: Selection, since: datetime, until: datetime) -> list[Record]:
        def read(since: datetime, until: datetime) -> list[Document]:
            return store_windows.series_and_cells(self._store, selection, since, until, self.width)

        return self._points(("windows", selection), read, since, until)

    def _alarms(self, since: datetime, until: datetime) -> list[Record]:
        def read(since: datetime, until: datetime) -> list[Document]:
            return store_windows.alarms_seen(self._store, self._selection, since, until, self.width)

        return self._points(("alarms", self._selection), read, since, until)

    def _points(self, key: Hashable, read: Read, since: datetime, until: datetime) -> list[Record]:
        points, is_all = self._histories.points(key, read, since, until, self._now, self.width)
        self.is_complete = self.is_complete and is_all
        return points


def _rate(
    points: Sequence[Record], batches: Sequence[Record], view: View, selection: Selection, now: datetime
) -> float | None:
    """Readings a second: of now, or of a time that is over."""
    if view.since is not None and view.until is not None:
        return overview_trends.total(points) / ((view.until - view.since) / 1000)
    return throughput(batches, now) if selection == Selection() else overview_trends.rate(points, now)


def _heading(name: str, points: Sequence[Record], catalog: Catalog) -> Document:
    """What stands above a type's chart: its unit, and the last bin's figures."""
    last = max((point for point in points if point["sensor_type"] == name), key=lambda point: point["at"])
    return {"unit": catalog.unit(name) or "", "avg": last["avg"], "min": last["min"], "max": last["max"]}

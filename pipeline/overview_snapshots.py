"""What the overview draws: figures, charts, alarms and the pipeline's health as one document."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from pipeline import figures, store_dashboard
from pipeline.catalog import Catalog
from pipeline.figures import milliseconds
from pipeline.snapshots import Sources
from pipeline.store_dashboard import Selection
from pipeline.store_documents import PRIORITIES
from pipeline.view import TimeRange, View
from pipeline.window_history import WindowHistory

Document = dict[str, Any]
Record = Mapping[str, Any]
Supply = Literal["working", "idle", "waiting", "silent"]

QUERIES = ("router", "readings", "windows")
ROWS_LIMIT = 200
# How far back throughput looks, and how long without a batch means that nothing comes in.
RATE_SECONDS, IDLE_SECONDS = 10.0, 30.0
BATCHES = 30
# Ranges up to so long are read anew each time; the others in pieces, for so long a time at once, for so many views.
DIRECT_SECONDS, HISTORY_SECONDS, HISTORIES = 3600, 1.5, 8
# The fields of the view that matter here.
FIELDS = ("types", "locations", "range", "since", "until", "alarms")
_PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}


class OverviewSnapshots:
    """Makes the overview's document."""

    def __init__(self, sources: Sources) -> None:
        self._store, self._catalog, self._rules = sources.store, sources.catalog, sources.rules
        self._now, self._clock = sources.now, sources.clock
        self._lock = threading.Lock()
        # The one that was used last is the last.
        self._histories: dict[tuple[Selection, TimeRange], WindowHistory] = {}

    def make(self, view: View) -> Document:
        """The document for a view; raises StoreError."""
        store, rules, now = self._store, self._rules, self._now()
        selection = Selection(view.types, view.locations)
        known = store_dashboard.choices(store)
        sensors = store_dashboard.sensors(store, selection, now - timedelta(seconds=rules.alive_within))
        progress = store_dashboard.progress(store, QUERIES, BATCHES)
        counts = store_dashboard.totals(store, [batches[0]["query_id"] for batches in progress.values() if batches])
        still_open = store_dashboard.open_alarms(store, selection, rules.clear_after)
        if view.alarms == "open":
            newest = [one["_id"] for one in still_open[:ROWS_LIMIT]]
            alarms = store_dashboard.alarms_by_id(store, newest, rules.clear_after)
        else:
            alarms = store_dashboard.newest_alarms(store, selection, known, rules.clear_after, ROWS_LIMIT)
        chosen = view.time_range
        since = now - timedelta(seconds=chosen.seconds)
        points, complete = self._points(selection, chosen, since, now)
        return {
            "at": milliseconds(now),
            "range": chosen.label,
            "complete": complete,
            "choices": {"types": list(known.types), "locations": list(known.locations)},
            "figures": {
                "rate": throughput(progress["readings"], now),
                "known": sensors.known,
                "alive": sensors.alive,
                "alive_within": rules.alive_within,
                "open": len(still_open),
                "open_at_limit": len(still_open) >= store_dashboard.OPEN_LIMIT,
                "critical": sum(one["worst_priority"] == PRIORITIES["critical"] for one in still_open),
                "newest": milliseconds(sensors.newest) if sensors.newest else None,
                "supply": supply(progress["readings"], now),
                "filtered": selection != Selection(),
            },
            "charts": {
                name: {"figure": figure, **_heading(name, points, self._catalog)}
                for name, figure in figures.charts(points, self._catalog, since, now, chosen.bin_seconds).items()
            },
            "alarms": [alarm_row(alarm) for alarm in alarms],
            "health": {
                "queries": [query_row(name, progress[name], counts) for name in QUERIES],
                "dead_letters": store_dashboard.dead_letters(store),
            },
        }

    def _points(
        self, selection: Selection, chosen: TimeRange, since: datetime, until: datetime
    ) -> tuple[Sequence[Record], bool]:
        """The charts' points, and whether they are all there already."""

        def read(since: datetime, until: datetime) -> list[Document]:
            return store_dashboard.series(self._store, selection, since, until, chosen.bin_seconds)

        if chosen.seconds <= DIRECT_SECONDS:
            return read(since, until), True
        with self._lock:
            key = (selection, chosen)
            history = self._histories.pop(key, None) or WindowHistory(read, self._clock)
            self._histories[key] = history
            while len(self._histories) > HISTORIES:
                del self._histories[next(iter(self._histories))]
        return history.points(since, until, HISTORY_SECONDS)


def _heading(name: str, points: Sequence[Record], catalog: Catalog) -> Document:
    """What stands above a type's chart: its unit, and the last bin's figures."""
    last = max((point for point in points if point["sensor_type"] == name), key=lambda point: point["at"])
    return {"unit": catalog.unit(name) or "", "avg": last["avg"], "min": last["min"], "max": last["max"]}


def throughput(batches: Sequence[Record], now: datetime) -> float | None:
    """Rows a second, of a query's batches, newest first: those that came after the first of the last 10 seconds or so.

    0 when there was no batch for 30 seconds, None when that cannot be told yet.
    """
    if batches and (now - batches[0]["at"]).total_seconds() > IDLE_SECONDS:
        return 0.0
    rows = 0
    span = 0.0
    for newer, older in pairwise(batches):
        rows += newer.get("rows") or 0
        span = (batches[0]["at"] - older["at"]).total_seconds()
        if span >= RATE_SECONDS:
            break
    return rows / span if span > 0 else None


def supply(batches: Sequence[Record], now: datetime) -> Supply:
    """Where new readings stay, by the batches of the query that stores them, newest first.

    "working": it is at work on a batch, so it may be behind; "idle": it found none on the topic; "waiting": for a
    server; "silent": it has not been heard of for 30 seconds.
    """
    if not batches or (now - batches[0]["at"]).total_seconds() > IDLE_SECONDS:
        return "silent"
    if batches[0].get("state") == "waiting":
        return "waiting"
    # A sign of life during a long batch says nothing about rows.
    return "idle" if batches[0].get("rows") == 0 else "working"


def query_row(name: str, batches: Sequence[Record], totals: Mapping[str, Record]) -> Document:
    """What is said of a streaming query; a figure that it does not report is None."""
    if not batches:
        return {"query": name, "state": "unknown"}
    last = batches[0]
    worked = next((one for one in batches if one.get("rows")), last)
    counts = totals.get(last["query_id"], {})
    is_real_time = last.get("mode") == "real-time"
    return {
        "query": name,
        "state": last.get("state") or "running",
        "is_real_time": is_real_time,
        "at": milliseconds(last["at"]),
        # A real-time batch lasts minutes, and tells nothing before it ends.
        "lag": None if is_real_time else last.get("lag"),
        # An idle report says nothing about how fast the query works.
        "batch_seconds": None if is_real_time else worked.get("batch_seconds"),
        "rows_per_second": None if is_real_time else worked.get("rows_per_second"),
        "late": counts.get("late"),
        "refused": counts.get("refused"),
    }


def alarm_row(alarm: Record) -> Document:
    """An alarm as a row of the grid."""
    last, seen = alarm["last"], alarm.get("acknowledged") or {}
    return {
        "id": alarm["_id"],
        "priority": _PRIORITY_NAMES.get(alarm["worst_priority"], "normal"),
        "level": alarm["worst_priority"],
        "rule": alarm["alert_type"],
        "sensor": alarm["sensor_id"],
        "location": last.get("location"),
        "value": last["value"],
        "threshold": last.get("threshold"),
        "unit": last.get("unit"),
        "message": last.get("message"),
        "first": milliseconds(alarm["first_seen"]),
        "last": milliseconds(last["at"]),
        "count": alarm["count"],
        "active": alarm["active"],
        "by": seen.get("by"),
        "note": seen.get("note"),
        "acknowledged": milliseconds(seen["at"]) if seen else None,
    }

"""What the overview draws: figures, charts, alarms and the pipeline's health as one document."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline import alarm_snapshots, figures, store_dashboard
from pipeline.alarm_lists import AlarmLists
from pipeline.catalog import Catalog
from pipeline.figures import milliseconds
from pipeline.snapshots import Sources
from pipeline.store_dashboard import Selection
from pipeline.supply import throughput
from pipeline.view import View
from pipeline.window_history import WindowHistory, bin_seconds

Document = dict[str, Any]
Record = Mapping[str, Any]

QUERIES = ("router", "readings", "windows")
BATCHES = 30
# Ranges up to so long are read anew each time; the others in pieces, for so long a time at once, for so many views.
DIRECT_SECONDS, HISTORY_SECONDS, HISTORIES = 3600, 1.5, 8
# The fields of the view that matter here.
FIELDS = ("types", "locations", "range", "since", "until", "alarms")


class OverviewSnapshots:
    """Makes the overview's document."""

    def __init__(self, sources: Sources) -> None:
        self._store, self._catalog, self._rules = sources.store, sources.catalog, sources.rules
        self._now, self._clock = sources.now, sources.clock
        self._alarms = AlarmLists(sources)
        self._lock = threading.Lock()
        # The one that was used last is the last.
        self._histories: dict[tuple[Selection, int], WindowHistory] = {}

    def make(self, view: View) -> Document:
        """The document for a view; raises StoreError."""
        store, rules, now = self._store, self._rules, self._now()
        selection = Selection(view.types, view.locations)
        sensors = store_dashboard.sensors(store, selection, now - timedelta(seconds=rules.alive_within))
        progress = store_dashboard.progress(store, QUERIES, BATCHES)
        counts = store_dashboard.totals(store, [batches[0]["query_id"] for batches in progress.values() if batches])
        since, until = view.span(now)
        alarms = self._alarms.listed(alarm_snapshots.of_panel(view, since, until))
        width = bin_seconds((until - since).total_seconds())
        points, complete = self._points(selection, since, until, width)
        return {
            "complete": complete,
            # How many sensors match the filters: with none of them there is nothing to show.
            "matching": sensors.known,
            "figures": {
                "rate": throughput(progress["readings"], now),
                "known": sensors.known,
                "alive": sensors.alive,
                "alive_within": rules.alive_within,
                "open": alarms["counts"]["active"][0],
                "open_at_limit": alarms["at_limit"],
                "critical": alarms["critical"],
                "newest": milliseconds(sensors.newest) if sensors.newest else None,
                "filtered": selection != Selection(),
            },
            "charts": {
                name: {"figure": figure, **_heading(name, points, self._catalog)}
                for name, figure in figures.charts(points, self._catalog, since, until, width).items()
            },
            "alarms": alarms,
            "health": {
                "queries": [query_row(name, progress[name], counts) for name in QUERIES],
                "dead_letters": store_dashboard.dead_letters(store),
            },
        }

    def _points(
        self, selection: Selection, since: datetime, until: datetime, width: int
    ) -> tuple[Sequence[Record], bool]:
        """The charts' points, and whether they are all there already."""

        def read(since: datetime, until: datetime) -> list[Document]:
            return store_dashboard.series(self._store, selection, since, until, width)

        if (until - since).total_seconds() <= DIRECT_SECONDS:
            return read(since, until), True
        with self._lock:
            key = (selection, width)
            history = self._histories.pop(key, None) or WindowHistory(read, self._clock)
            self._histories[key] = history
            while len(self._histories) > HISTORIES:
                del self._histories[next(iter(self._histories))]
        return history.points(since, until, HISTORY_SECONDS)


def _heading(name: str, points: Sequence[Record], catalog: Catalog) -> Document:
    """What stands above a type's chart: its unit, and the last bin's figures."""
    last = max((point for point in points if point["sensor_type"] == name), key=lambda point: point["at"])
    return {"unit": catalog.unit(name) or "", "avg": last["avg"], "min": last["min"], "max": last["max"]}


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

"""What the page of one sensor draws, and the list where none is chosen, as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline import sensor_peers, sensor_readings, store_dashboard, store_sensor
from pipeline.figures import milliseconds
from pipeline.sensor_facts import finite, last_reading
from pipeline.sensor_list import SensorList
from pipeline.sensor_readings import Part
from pipeline.snapshots import Sources
from pipeline.store_dashboard import Selection
from pipeline.store_documents import PRIORITIES
from pipeline.view import View
from pipeline.window_history import Histories, Read

Document = dict[str, Any]

# The fields of the view that matter here.
FIELDS = ("types", "locations", "range", "since", "until", "sensor", "listed", "page")
# Up to so many readings are shown one by one.
SINGLE_LIMIT = 1000
# Marks of alerts on the chart, and alarms in the table.
ALERTS_LIMIT, ALARMS_LIMIT = 1000, 50
# Times up to so long are read anew each time, the others in pieces.
DIRECT_SECONDS = 1800
# A week of one sensor is a question for each of its days, not for each of its half hours.
OLD_POINTS = 48
_NAMES = {number: name for name, number in PRIORITIES.items()}


class SensorSnapshots:
    """Makes the documents of this page."""

    def __init__(self, sources: Sources) -> None:
        self._store, self._sources = sources.store, sources
        self._list = SensorList(sources)
        self._histories = Histories(sources.clock, OLD_POINTS)

    def make(self, view: View) -> Document:
        """The document for a view, with `sensor` or `list`; raises StoreError."""
        now = self._sources.now()
        if view.sensor is None:
            return {"sensor": None, "list": self._list.make(view, now)}
        sensor = self._sensor(view, view.sensor, now)
        return {"complete": sensor.get("complete", True), "sensor": sensor, "list": None}

    def _sensor(self, view: View, sensor_id: str, now: datetime) -> Document:
        store = self._store
        known = store_sensor.sensor(store, sensor_id)
        if known is None:
            return {"id": sensor_id, "known": False}
        since, until = view.span(now)
        # The newest readings belong to it, whatever this machine's clock says.
        end = until if view.until is not None else max(until, known["timestamp"] + timedelta(milliseconds=1))
        parts, seconds, is_complete = self._readings(sensor_id, since, end, now)
        types = sorted({name for one in parts for name in one.types} | {known["sensor_type"]})
        alerts = store_sensor.alerts(store, sensor_id, since, end, ALERTS_LIMIT)
        alarms = store_sensor.alarms(store, sensor_id, self._sources.rules.clear_after, ALARMS_LIMIT)
        figures = sensor_readings.figures(parts, seconds)
        windows: Document | None = None
        all_windows, peers = True, None
        if len(types) == 1:
            windows, all_windows = self._windows(known, since, until, now)
            peers = sensor_peers.compare(store, known, since, end, figures["rate"] if figures else None)
        return {
            "id": sensor_id,
            "known": True,
            **last_reading(known),
            "types": types,
            "alive_within": self._sources.rules.alive_within,
            "complete": is_complete and all_windows,
            "bin_seconds": seconds,
            "readings": sensor_readings.columns(parts, seconds),
            "figures": figures,
            "alerts": [_alert(one) for one in reversed(alerts)],
            "alerts_at_limit": len(alerts) == ALERTS_LIMIT,
            **self._limits(types),
            "windows": windows,
            "alarms": [_alarm(one) for one in alarms],
            "alarms_at_limit": len(alarms) == ALARMS_LIMIT,
            "peers": peers,
        }

    def _readings(
        self, sensor_id: str, since: datetime, until: datetime, now: datetime
    ) -> tuple[list[Part], int | None, bool]:
        """The parts, how many seconds each stands for (None: a reading), and whether they are all there already."""
        store = self._store
        if store_sensor.count(store, sensor_id, since, until, SINGLE_LIMIT + 1) <= SINGLE_LIMIT:
            found = store_sensor.readings(store, sensor_id, since, until, SINGLE_LIMIT)
            return [part for one in found if (part := sensor_readings.of_reading(one))], None, True
        seconds = sensor_readings.bin_seconds((until - since).total_seconds())

        def read(since: datetime, until: datetime) -> list[Document]:
            found = store_sensor.bins(store, sensor_id, since, until, seconds)
            parts = [part for one in found if (part := sensor_readings.of_bin(one))]
            return [{"at": part.at, "part": part} for part in parts]

        points, is_complete = self._points(("readings", sensor_id), read, since, until, now, seconds)
        return [one["part"] for one in points], seconds, is_complete

    def _windows(
        self, known: Mapping[str, Any], since: datetime, until: datetime, now: datetime
    ) -> tuple[Document, bool]:
        """What all sensors of its type at its place measured: at, mean, low and high, and whether it is all there."""
        chosen = Selection((known["sensor_type"],), (known.get("location"),))
        # Windows are of 10 seconds, or longer.
        seconds = max(10, sensor_readings.bin_seconds(2 * (until - since).total_seconds()))

        def read(since: datetime, until: datetime) -> list[Document]:
            return store_dashboard.series(self._store, chosen, since, until, seconds)

        points, is_complete = self._points(("windows", chosen), read, since, until, now, seconds)
        ordered = sorted(points, key=lambda one: one["at"])
        return {
            "at": [milliseconds(one["at"]) for one in ordered],
            **{
                to: [finite(one[of]) for one in ordered]
                for to, of in (("mean", "avg"), ("low", "min"), ("high", "max"))
            },
        }, is_complete

    def _points(
        self, key: tuple[Any, ...], read: Read, since: datetime, until: datetime, now: datetime, width: int
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        if (until - since).total_seconds() <= DIRECT_SECONDS:
            return read(since, until), True
        return self._histories.points(key, read, since, until, now, width)

    def _limits(self, types: Sequence[str]) -> Document:
        """The rules and the normal range of a sensor's type; nothing where it sends several."""
        if len(types) > 1:
            return {"rules": [], "normal": None}
        kind = self._sources.catalog.types.get(types[0])
        return {
            "rules": [
                {"rule": one.name, "priority": one.priority, "below": one.below, "above": one.above}
                for one in self._sources.alert_rules
                if one.sensor_type == types[0]
            ],
            "normal": [kind.normal_minimum, kind.normal_maximum] if kind else None,
        }


def _alert(alert: Mapping[str, Any]) -> Document:
    return {
        "at": milliseconds(alert["timestamp"]),
        "value": finite(alert["value"]),
        "rule": alert["alert_type"],
        "priority": alert["priority"],
    }


def _alarm(alarm: Mapping[str, Any]) -> Document:
    last, seen = alarm["last"], alarm.get("acknowledged") or {}
    return {
        "id": alarm["_id"],
        "rule": alarm["alert_type"],
        "priority": _NAMES.get(alarm["worst_priority"], "normal"),
        "value": finite(last["value"]),
        "unit": last.get("unit") or "",
        "first": milliseconds(alarm["first_seen"]),
        "last": milliseconds(last["at"]),
        "count": alarm["count"],
        "active": alarm["active"],
        "by": seen.get("by"),
    }

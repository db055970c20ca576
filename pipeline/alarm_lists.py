"""Alarms as JSON: the rows of a list, how many there are of each kind, and one in detail."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from pipeline import store_alarm_list
from pipeline.figures import milliseconds
from pipeline.snapshots import Sources
from pipeline.store_alarm_list import ACTIVE_LIMIT, ALERTS_LIMIT, COUNT_LIMIT, READINGS_LIMIT, Narrowing, Over
from pipeline.store_documents import PRIORITIES

Document = dict[str, Any]
Alarm = Mapping[str, Any]

# Most rows of a list.
ROWS_LIMIT = 1000
# What a row has, in this order; sensor, rule and first instant stand in the id.
COLUMNS = (
    *("id", "level", "type", "location", "value", "threshold", "unit", "last", "count", "active"),
    *("by", "note", "acknowledged"),
)
# How an alarm's alerts may be counted once for all who look, until another one comes; a late one is counted then.
_COUNTED_SECONDS, _COUNTED = 60.0, 10_000
_CRITICAL = PRIORITIES["critical"]


@dataclass(frozen=True)
class Wanted:
    """Which alarms are listed, in which order.

    `state` is "active", "cleared" or "any", `acknowledged` None for both. What was last seen in [since, until] is
    meant; with `live` also all that is active now. `sort` is one of SORTS, with "-" in front from the greatest on.
    Without `counts_cleared` those that are over are counted only where they are listed; with `by_place` the open ones
    are counted by type and location.
    """

    narrowing: Narrowing
    since: datetime
    until: datetime
    live: bool = True
    state: str = "active"
    acknowledged: bool | None = False
    sort: str = "-level"
    limit: int = ROWS_LIMIT
    counts_cleared: bool = True
    by_place: bool = False


class AlarmLists:
    """Lists of the alarms of a database."""

    def __init__(self, sources: Sources) -> None:
        self._sources, self._store = sources, sources.store
        self._clear_after, self._clock = sources.rules.clear_after, sources.clock
        self._lock = Lock()
        self._counted: OrderedDict[tuple[Any, ...], tuple[float, int]] = OrderedDict()

    def active(self, narrowing: Narrowing) -> list[Document]:
        """The active alarms, newest first."""
        found = self._sources.active_alarms.get(None)
        if len(found) < ACTIVE_LIMIT:
            return [one for one in found if narrowing.fits(one)]
        # Among those that were left out may be some that are meant.
        return store_alarm_list.active(self._store, narrowing, self._clear_after)

    def listed(self, wanted: Wanted) -> Document:
        """The rows that are wanted, and how many there are.

        `matching` counts what the rows are of, `counts` the alarms of each state and acknowledgement, `critical` the
        open ones of that priority. `at_limit` says that there are more active ones than were looked at, `since` what
        was last seen before was not looked at (milliseconds; None: nothing was left out). `places`: see `_by_place`.
        """
        now_active = self.active(wanted.narrowing)
        shown = [one for one in now_active if wanted.live or wanted.since <= one["last"]["at"] <= wanted.until]
        names = {one["_id"] for one in now_active}
        over = Over([], (0, 0), wanted.since)
        if wanted.counts_cleared or wanted.state != "active":
            over = store_alarm_list.seen_between(
                self._store,
                wanted.narrowing,
                wanted.since,
                wanted.until,
                acknowledged=wanted.acknowledged,
                # Those that are active stand among them.
                limit=0 if wanted.state == "active" else wanted.limit + len(names),
            )
        spread = [one for one in now_active if over.since <= one["last"]["at"] <= wanted.until]
        counts = {
            "active": _by_acknowledgement(shown),
            "cleared": [
                max(0, all_of - still) for all_of, still in zip(over.counts, _by_acknowledgement(spread), strict=True)
            ],
        }
        candidates = [one for one in shown if _is_wanted(one, wanted)] if wanted.state != "cleared" else []
        if wanted.state != "active":
            candidates += [{**one, "active": False} for one in over.rows if one["_id"] not in names][: wanted.limit]
        rows = sorted_by(wanted.sort, candidates)[: wanted.limit]
        return {
            "columns": COLUMNS,
            "rows": self.rows(rows),
            "matching": sum(_of(counts[name], wanted.acknowledged) for name in counts if wanted.state in {name, "any"}),
            "counts": counts,
            "critical": sum(one["worst_priority"] == _CRITICAL for one in shown if "acknowledged" not in one),
            "at_limit": len(now_active) >= ACTIVE_LIMIT,
            "since": milliseconds(over.since) if over.since > wanted.since else None,
            **({"places": _by_place(shown)} if wanted.by_place else {}),
        }

    def detail(self, alarm: str) -> Document:
        """An alarm by its id: its row by COLUMNS (None: there is no such alarm), and what led to it, oldest first.

        `asked` is the id that was asked for; `more` says that older alerts or readings were left out.
        """
        found = store_alarm_list.detail(self._store, alarm, self._clear_after)
        if found is None:
            return {"asked": alarm, "alarm": None}
        [row] = self.rows([found.alarm])
        sensor, rule = found.alarm["sensor_id"], found.alarm["alert_type"]
        return {
            "asked": alarm,
            "alarm": dict(zip(COLUMNS, row, strict=True)) | {"sensor": sensor, "rule": rule, **_span(found.alarm)},
            "message": found.alarm["last"].get("message"),
            "alerts": _line(found.alerts),
            "readings": _line(found.readings),
            "limits": sorted({one["threshold"] for one in found.alerts if one.get("threshold") is not None}),
            "earlier": [
                {**_span(one), **{name: one.get("acknowledged", {}).get(name) for name in ("by", "note")}}
                for one in found.earlier
            ],
            "more": len(found.alerts) == ALERTS_LIMIT or len(found.readings) == READINGS_LIMIT,
        }

    def rows(self, alarms: Sequence[Alarm]) -> list[list[Any]]:
        """The alarms as rows of COLUMNS."""
        counted = self._counts(alarms)
        return [_row(one, counted.get(one["_id"], 0)) for one in alarms]

    def _counts(self, alarms: Sequence[Alarm]) -> dict[str, int]:
        now = self._clock.monotonic()
        keys = {one["_id"]: (one["_id"], one["last"]["alert_id"]) for one in alarms}
        with self._lock:
            known = {key: self._counted[key] for key in keys.values() if key in self._counted}
        fresh = {key: number for key, (when, number) in known.items() if now - when < _COUNTED_SECONDS}
        found = store_alarm_list.alert_counts(self._store, [one for one in alarms if keys[one["_id"]] not in fresh])
        with self._lock:
            for identity, number in found.items():
                self._counted[keys[identity]] = now, number
                self._counted.move_to_end(keys[identity])
            while len(self._counted) > _COUNTED:
                self._counted.popitem(last=False)
        return found | {key[0]: number for key, number in fresh.items()}


def sorted_by(sort: str, alarms: Sequence[Alarm]) -> list[Alarm]:
    """The alarms by a column (see `Wanted.sort`); those that have nothing there come last, equal ones newest first."""
    name, is_falling = sort.removeprefix("-"), sort.startswith("-")
    newest_first = sorted(alarms, key=lambda one: (one["first_seen"], one["_id"]), reverse=True)
    there = [one for one in newest_first if SORTS[name](one) is not None]
    missing = [one for one in newest_first if SORTS[name](one) is None]
    return sorted(there, key=SORTS[name], reverse=is_falling) + missing


def _is_wanted(alarm: Alarm, wanted: Wanted) -> bool:
    return wanted.acknowledged is None or ("acknowledged" in alarm) == wanted.acknowledged


def _by_acknowledgement(alarms: Iterable[Alarm]) -> list[int]:
    """How many are not acknowledged, and how many are."""
    noted = [("acknowledged" in one) for one in alarms]
    return [len(noted) - sum(noted), sum(noted)]


def _of(counts: Sequence[int], acknowledged: bool | None) -> int:
    return sum(counts) if acknowledged is None else counts[acknowledged]


def _by_place(alarms: Iterable[Alarm]) -> list[list[Any]]:
    """[type, location, how many are not acknowledged, how many of these are critical] wherever there are any."""
    counted: dict[tuple[Any, Any], list[int]] = {}
    for one in alarms:
        if "acknowledged" not in one:
            counts = counted.setdefault((one["last"].get("sensor_type"), one["last"].get("location")), [0, 0])
            counts[0] += 1
            counts[1] += one["worst_priority"] == _CRITICAL
    return [[*place, *counts] for place, counts in counted.items()]


def _span(alarm: Alarm) -> Document:
    return {"first": milliseconds(alarm["first_seen"]), "last": milliseconds(alarm["last"]["at"])}


def _line(points: Sequence[Alarm]) -> Document:
    oldest_first = list(reversed(points))
    return {
        "at": [milliseconds(one["timestamp"]) for one in oldest_first],
        "value": [one["value"] for one in oldest_first],
    }


def _row(alarm: Alarm, count: int) -> list[Any]:
    last, seen = alarm["last"], alarm.get("acknowledged") or {}
    return [
        alarm["_id"],
        alarm["worst_priority"],
        last.get("sensor_type"),
        last.get("location"),
        last["value"],
        last.get("threshold"),
        last.get("unit"),
        milliseconds(last["at"]),
        min(count, COUNT_LIMIT + 1),
        alarm["active"],
        seen.get("by"),
        seen.get("note"),
        milliseconds(seen["at"]) if seen else None,
    ]


# By what the list can be ordered on the server.
SORTS: dict[str, Any] = {
    "level": lambda one: one["worst_priority"],
    "rule": lambda one: one["alert_type"],
    "sensor": lambda one: one["sensor_id"],
    "location": lambda one: one["last"].get("location"),
    "value": lambda one: one["last"]["value"],
    "threshold": lambda one: one["last"].get("threshold"),
    "first": lambda one: one["first_seen"],
    "last": lambda one: one["last"]["at"],
    "active": lambda one: one["active"],
    # Counting the alerts of all that match would take too long: of the most urgent ones the browser makes the order.
    "count": lambda one: one["worst_priority"],
    "acknowledged": lambda one: (one.get("acknowledged") or {}).get("at"),
}

"""The alarms as the page lists them: those that are active now, and those that are over, newest first.

Whether an alarm is active is derived from its sensor's newest reading, so no index tells it. Active ones are found by
way of the sensors; the others by the time when they were last seen, as far back as `SCAN_LIMIT` alarms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline import store_alarms, store_queries
from pipeline.rules import SILENT
from pipeline.store import Store
from pipeline.store_dashboard import Selection, Stages
from pipeline.store_documents import PRIORITIES
from pipeline.store_faults import translated

Document = dict[str, Any]

# Sensors that have been silent for longer are not looked at for active alarms, nor more than so many silent ones.
SILENT_SECONDS = 7 * 86_400
SILENT_LIMIT = 1000
ACTIVE_LIMIT = 5000
# Of the alarms that are over, so many are looked at, the newest.
SCAN_LIMIT = 20_000
# Of an alarm's alerts, so many are counted.
COUNT_LIMIT = 1000

# What an alarm in detail has at most, and how much of the time before and after it, at least.
ALERTS_LIMIT, READINGS_LIMIT, EARLIER_LIMIT = 500, 1000, 10
MARGIN = timedelta(minutes=5)

_OF_SENSOR = "sensor_id_1_timestamp_-1"
_BY_TIME, _BY_SENSOR = "last.at_-1", "sensor_id_1_last.at_-1"


@dataclass(frozen=True)
class Narrowing:
    """Which alarms are meant, whatever their state; what is empty, or None, stands for all."""

    selection: Selection = field(default_factory=Selection)
    priorities: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    sensor: str | None = None

    def matching(self) -> Document:
        """The condition on alarms."""
        levels = [PRIORITIES[name] for name in self.priorities]
        return {
            **self.selection.matching("last."),
            **({"worst_priority": {"$in": levels}} if levels else {}),
            **({"alert_type": {"$in": list(self.rules)}} if self.rules else {}),
            **({"sensor_id": {"$eq": self.sensor}} if self.sensor is not None else {}),
        }

    def fits(self, alarm: Mapping[str, Any]) -> bool:
        """Whether an alarm is meant, as `matching` says it."""
        last, chosen = alarm["last"], self.selection
        return (
            (not chosen.types or last.get("sensor_type") in chosen.types)
            and (not chosen.locations or last.get("location") in chosen.locations)
            and (not self.priorities or alarm["worst_priority"] in {PRIORITIES[name] for name in self.priorities})
            and (not self.rules or alarm["alert_type"] in self.rules)
            and (self.sensor is None or alarm["sensor_id"] == self.sensor)
        )


@dataclass(frozen=True)
class Over:
    """Alarms by when they were last seen: how many there are in all (`counts`: not acknowledged, acknowledged).

    `rows` are the newest of them. What was last seen before `since` was not looked at.
    """

    rows: list[Document]
    counts: tuple[int, int]
    since: datetime


@dataclass(frozen=True)
class Detail:
    """An alarm, the newest of its alerts, its sensor's readings at about that time, and earlier alarms of both.

    All newest first; at most ALERTS_LIMIT, READINGS_LIMIT and EARLIER_LIMIT of them.
    """

    alarm: Document
    alerts: list[Document]
    readings: list[Document]
    earlier: list[Document]


def active(store: Store, narrowing: Narrowing, clear_after: float) -> list[Document]:
    """The alarms that are active, acknowledged or not, newest first by first_seen; at most ACTIVE_LIMIT.

    Looked at are the alarms of sensors that were heard of within `clear_after` seconds of the newest reading of all,
    and those of up to SILENT_LIMIT sensors that fell silent later than SILENT_SECONDS before it.
    """
    collection = store.collection("sensors")
    with translated(store.address):
        newest = collection.find_one({}, {"_id": 0, "timestamp": 1}, sort={"timestamp": -1})
        if newest is None:
            return []
        heard_since = newest["timestamp"] - timedelta(seconds=clear_after)
        recent = heard_since - timedelta(seconds=clear_after)
        of_heard: Stages = [
            {"$match": {"last.at": {"$gte": recent}, **narrowing.matching()}},
            {"$limit": ACTIVE_LIMIT},
            *store_queries.with_active(clear_after),
            {"$match": {"active": True}},
        ]
        hint = _BY_TIME if narrowing.sensor is None else _BY_SENSOR
        found = list(store.collection("alarms").aggregate(of_heard, hint=hint))
        found += collection.aggregate(_of_silent(narrowing, newest["timestamp"], heard_since, recent, clear_after))
    return sorted(found, key=_first_seen, reverse=True)[:ACTIVE_LIMIT]


def _of_silent(
    narrowing: Narrowing, newest: datetime, heard_since: datetime, recent: datetime, clear_after: float
) -> Stages:
    """The active alarms, older than `recent`, of sensors that were not heard of since `heard_since`."""
    conditions = [
        {"$eq": ["$sensor_id", "$$sensor"]},
        {"$gte": ["$last.at", "$$since"]},
        {"$lt": ["$last.at", recent]},
        {"$or": [{"$ne": ["$alert_type", SILENT]}, {"$gte": ["$last.at", "$$newest"]}]},
    ]
    variables = {
        "sensor": "$_id",
        "newest": "$timestamp",
        "since": {"$subtract": ["$timestamp", round(1000 * clear_after)]},
    }
    silent_since = newest - timedelta(seconds=SILENT_SECONDS)
    spread = {"timestamp": {"$lt": heard_since, "$gte": silent_since}}
    of_all: Stages = [{"$match": spread}, {"$sort": {"timestamp": -1}}, {"$limit": SILENT_LIMIT}]
    of_one: Stages = [{"$match": {"_id": {"$eq": narrowing.sensor}, **spread}}]
    return [
        *(of_all if narrowing.sensor is None else of_one),
        {
            "$lookup": {
                "from": "alarms",
                "let": variables,
                "pipeline": [{"$match": {"$expr": {"$and": conditions}, **narrowing.matching()}}],
                "as": "alarm",
            }
        },
        {"$unwind": "$alarm"},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$alarm", {"active": True}]}}},
    ]


def seen_between(
    store: Store,
    narrowing: Narrowing,
    since: datetime,
    until: datetime,
    *,
    acknowledged: bool | None,
    limit: int,
) -> Over:
    """The alarms that were last seen with since ≤ last.at ≤ until, active or not, newest first.

    `acknowledged` None takes both for the rows.
    """
    collection = store.collection("alarms")
    spread: Document = {"last.at": {"$gte": since, "$lte": until}}
    hint = _BY_TIME
    if narrowing.sensor is not None:
        spread, hint = {"sensor_id": {"$eq": narrowing.sensor}, **spread}, _BY_SENSOR
    is_acknowledged = {"$gt": ["$acknowledged", None]}
    with translated(store.address):
        beyond = collection.find(spread, {"_id": 0, "last.at": 1}, sort={"last.at": -1}, hint=hint)
        for one in beyond.skip(SCAN_LIMIT).limit(1):
            since = one["last"]["at"] + timedelta(milliseconds=1)
        chosen = {**narrowing.matching(), **spread, "last.at": {"$gte": since, "$lte": until}}
        grouped = collection.aggregate(
            [{"$match": chosen}, {"$group": {"_id": is_acknowledged, "count": {"$sum": 1}}}], hint=hint
        )
        counts = {one["_id"]: one["count"] for one in grouped}
        if acknowledged is not None:
            chosen["acknowledged"] = {"$exists": acknowledged}
        # MongoDB takes a limit of 0 for none.
        rows = list(collection.find(chosen, sort={"last.at": -1}, hint=hint, limit=limit)) if limit else []
    return Over(rows, (counts.get(False, 0), counts.get(True, 0)), since)


def alert_counts(store: Store, alarms: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many alerts each of the alarms has that are stored, by its `_id`; COUNT_LIMIT + 1 stands for more."""
    if not alarms:
        return {}
    conditions = [
        {"$eq": ["$sensor_id", "$$sensor"]},
        {"$gte": ["$timestamp", "$$first"]},
        {"$lte": ["$timestamp", "$$last"]},
        {"$eq": ["$alert_type", "$$rule"]},
    ]
    its_alerts: Stages = [{"$match": {"$expr": {"$and": conditions}}}, {"$limit": COUNT_LIMIT + 1}, {"$count": "count"}]
    variables = {"sensor": "$sensor_id", "rule": "$alert_type", "first": "$first_seen", "last": "$last.at"}
    pipeline: Stages = [
        {"$match": {"_id": {"$in": [one["_id"] for one in alarms]}}},
        {"$lookup": {"from": "anomaly_alerts", "let": variables, "pipeline": its_alerts, "as": "alerts"}},
        {"$project": {"count": {"$ifNull": [{"$first": "$alerts.count"}, 0]}}},
    ]
    with translated(store.address):
        return {one["_id"]: one["count"] for one in store.collection("alarms").aggregate(pipeline)}


def rules(store: Store) -> list[str]:
    """The rules that raised alerts which are stored, sorted."""
    with translated(store.address):
        found = store.collection("anomaly_alerts").distinct("alert_type")
    return sorted(one for one in found if isinstance(one, str))


def detail(store: Store, alarm: str, clear_after: float) -> Detail | None:
    """An alarm, by its `_id`, and what led to it; None where there is none.

    One that another alarm has taken in stands for that one.
    """
    collection = store.collection("alarms")
    with translated(store.address):
        wanted = {"$match": {"_id": {"$eq": store_alarms.current_identity(store, alarm) or alarm}}}
        found = list(collection.aggregate([wanted, *store_queries.with_active(clear_after)]))
        if not found:
            return None
        first, last = found[0]["first_seen"], found[0]["last"]["at"]
        margin = max(MARGIN, (last - first) / 4)
        sensor, rule = ({"$eq": found[0][name]} for name in ("sensor_id", "alert_type"))
        alerts = store.collection("anomaly_alerts").find(
            {"sensor_id": sensor, "alert_type": rule, "timestamp": {"$gte": first, "$lte": last}},
            {"_id": 0, "timestamp": 1, "value": 1, "threshold": 1, "priority": 1},
            sort={"timestamp": -1},
            hint=_OF_SENSOR,
            limit=ALERTS_LIMIT,
        )
        readings = store.collection("sensor_metrics").find(
            {"sensor_id": sensor, "timestamp": {"$gte": first - margin, "$lte": last + margin}},
            {"_id": 0, "timestamp": 1, "value": 1},
            sort={"timestamp": -1},
            hint=_OF_SENSOR,
            limit=READINGS_LIMIT,
        )
        earlier = collection.find(
            {"sensor_id": sensor, "alert_type": rule, "last.at": {"$lt": first}},
            sort={"last.at": -1},
            hint="sensor_id_1_alert_type_1_last.at_-1",
            limit=EARLIER_LIMIT,
        )
        return Detail(found[0], list(alerts), list(readings), list(earlier))


def _first_seen(alarm: Mapping[str, Any]) -> tuple[datetime, str]:
    return alarm["first_seen"], alarm["_id"]

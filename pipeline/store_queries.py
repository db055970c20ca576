"""What is stored: every question is answered by an index, and read in parts, so that memory does not grow with it.

The iterators raise StoreUnavailable when the server goes away while they read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pymongo.cursor import Cursor

from pipeline import event_ids, store_ids
from pipeline.rules import SILENT
from pipeline.store import Store
from pipeline.store_faults import translated
from pipeline.store_writes import batches

Document = dict[str, Any]
Limits = tuple[str, float | None, float | None]

_PART = 5000
_WINDOW_FIELDS = ("timestamp", "sensor_type", "location", "value")


def count(store: Store, collection: str) -> int:
    """How many documents a collection holds, counted one by one."""
    with translated(store.address):
        return store.collection(collection).count_documents({}, hint="_id_")


def count_readings(store: Store, run: str) -> int:
    """How many readings of a producer's run are stored."""
    with translated(store.address):
        return store.collection("sensor_metrics").count_documents(_of_run(run), hint="_id_")


def readings_of_run(store: Store, run: str) -> Iterator[tuple[int, int]]:
    """Sequence and sensor number of every stored reading of a producer's run, in this order."""
    found = store.collection("sensor_metrics").find(_of_run(run), {"_id": 1}, sort={"_id": 1}, hint="_id_")
    for document in _read(store, found):
        _, sequence, sensor = event_ids.decode(store_ids.event_id(document["_id"]))
        yield sequence, sensor


def readings_of_sensor(store: Store, run: str, sensor_id: str) -> Iterator[Document]:
    """The stored readings of one sensor and run, by their time, with their `event_id`."""
    found = store.collection("sensor_metrics").find(
        {"sensor_id": {"$eq": sensor_id}, **_of_run(run)}, sort={"timestamp": 1}, hint="sensor_id_1_timestamp_-1"
    )
    for document in _read(store, found):
        yield {"event_id": store_ids.event_id(document.pop("_id")), **document}


def readings_beyond(store: Store, run: str, limits: Iterable[Limits]) -> Iterator[tuple[str, str, float]]:
    """event_id, sensor_type and value of a run's readings that lie beyond a limit, by event_id.

    `limits` are sensor types with the least and the greatest value that is allowed (None: any).
    """
    beyond = [
        {"sensor_type": {"$eq": sensor_type}, "value": {operator: limit}}
        for sensor_type, least, greatest in limits
        for operator, limit in (("$lt", least), ("$gt", greatest))
        if limit is not None
    ]
    if not beyond:
        return
    found = store.collection("sensor_metrics").find(
        {**_of_run(run), "$or": beyond}, {"sensor_type": 1, "value": 1}, sort={"_id": 1}, hint="_id_"
    )
    for document in _read(store, found):
        yield store_ids.event_id(document["_id"]), document["sensor_type"], document["value"]


def alerts_of_run(store: Store, run: str, rule: str) -> Iterator[str]:
    """The alert_ids of a run's readings by a rule, in their order."""
    first, last = (f"{rule}-{store_ids.event_id(one)}" for one in store_ids.run_range(run))
    found = store.collection("anomaly_alerts").find(
        {"_id": {"$gte": first, "$lte": last}, "alert_type": {"$eq": rule}}, {"_id": 1}, sort={"_id": 1}, hint="_id_"
    )
    for document in _read(store, found):
        yield document["_id"]


def readings_between(store: Store, since: datetime, until: datetime) -> Iterator[Document]:
    """timestamp, sensor_type, location and value of the readings with since ≤ timestamp < until, by their time."""
    fields = dict.fromkeys(_WINDOW_FIELDS, 1) | {"_id": 0}
    yield from _read(
        store,
        store.collection("sensor_metrics").find(
            {"timestamp": {"$gte": since, "$lt": until}}, fields, sort={"timestamp": 1}
        ),
    )


def windows_between(store: Store, since: datetime, until: datetime) -> Iterator[Document]:
    """The windows that begin with since ≤ window_start < until, by their start."""
    chosen = {"window_start": {"$gte": since, "$lt": until}}
    yield from _read(store, store.collection("windowed_metrics").find(chosen, sort={"window_start": 1}))


def windows_back_to(store: Store, since: datetime, until: datetime) -> Iterator[Document]:
    """Start and end of the windows that hold an instant of since ≤ instant ≤ until, the latest start first."""
    fields = {"window_start": 1, "window_end": 1, "_id": 0}
    found = store.collection("windowed_metrics").find(
        {"window_start": {"$lte": until}}, fields, sort={"window_start": -1}, hint="window_start_-1"
    )
    for window in _read(store, found):
        if window["window_end"] <= since:
            return
        yield window


def dead_letters(store: Store) -> Iterator[Document]:
    """What was refused, in the order in which it was stored."""
    yield from _read(store, store.collection("dead_letters").find(sort={"stored_at": 1}, hint="stored_at_1"))


def known_dead_letters(store: Store, places: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """Which of the messages (topic, partition, offset) are stored as refused."""
    for part in batches(places, _PART):
        by_id = {store_ids.dead_letter_id(*place): place for place in part}
        for document in _read(store, store.collection("dead_letters").find({"_id": {"$in": list(by_id)}}, {"_id": 1})):
            yield by_id[document["_id"]]


def alarms(
    store: Store,
    clear_after: float,
    *,
    limit: int = 200,
    matching: Mapping[str, Any] | None = None,
    newest_by: str = "last.at",
    index: str | None = None,
) -> list[Document]:
    """The alarms, those `matching` a filter if one is given, newest first by one of their instants; `index` finds them.

    Each has `count` (its alerts that are stored) and `active`: its last alert lies within `clear_after` seconds of its
    sensor's newest reading.
    """
    its_alerts: list[Mapping[str, Any]] = [
        {
            "$match": {
                "$expr": {
                    "$and": [
                        {"$eq": ["$sensor_id", "$$sensor"]},
                        {"$gte": ["$timestamp", "$$first"]},
                        {"$lte": ["$timestamp", "$$last"]},
                        {"$eq": ["$alert_type", "$$rule"]},
                    ]
                }
            }
        },
        {"$count": "count"},
    ]
    variables = {"sensor": "$sensor_id", "rule": "$alert_type", "first": "$first_seen", "last": "$last.at"}
    pipeline: list[Mapping[str, Any]] = [
        {"$match": matching or {}},
        {"$sort": {newest_by: -1}},
        {"$limit": limit},
        *with_active(clear_after),
        {"$lookup": {"from": "anomaly_alerts", "let": variables, "pipeline": its_alerts, "as": "alerts"}},
        {"$set": {"count": {"$ifNull": [{"$first": "$alerts.count"}, 0]}}},
        {"$unset": ["alerts"]},
    ]
    with translated(store.address):
        collection = store.collection("alarms")
        return list(collection.aggregate(pipeline, hint=index) if index else collection.aggregate(pipeline))


def totals(store: Store, query: str) -> dict[str, int]:
    """What a streaming query counted over all its batches, by the name of the count; those of all its checkpoints."""
    counts: dict[str, int] = {}
    for document in _read(store, store.collection("pipeline_totals").find(sort={"_id": 1})):
        if document["query"] == query:
            for name, number in document.get("counts", {}).items():
                counts[name] = counts.get(name, 0) + number
    return counts


def with_active(clear_after: float) -> list[Mapping[str, Any]]:
    """The stages that tell of each alarm whether it is `active`."""
    newest = {"$ifNull": [{"$first": "$sensor.timestamp"}, "$last.at"]}
    # Whatever a silent sensor sends ends its silence.
    gap = {"$cond": [{"$eq": ["$alert_type", SILENT]}, 0, round(1000 * clear_after)]}
    return [
        {"$lookup": {"from": "sensors", "localField": "sensor_id", "foreignField": "_id", "as": "sensor"}},
        {"$set": {"active": {"$lte": [{"$subtract": [newest, "$last.at"]}, gap]}}},
        {"$unset": ["sensor"]},
    ]


def sensors(store: Store) -> Iterator[Document]:
    """Each sensor's last reading, by the sensor's name."""
    yield from _read(store, store.collection("sensors").find(sort={"_id": 1}))


def _of_run(run: str) -> Document:
    first, last = store_ids.run_range(run)
    return {"_id": {"$gte": first, "$lte": last}}


def _read(store: Store, cursor: Cursor[Document]) -> Iterator[Document]:
    with translated(store.address), cursor.batch_size(_PART):
        yield from cursor

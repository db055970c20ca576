"""What the page of one sensor asks of MongoDB: each question is answered by an index.

Call these within a deadline (`store_dashboard.within`). They raise StoreUnavailable when the server does not answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline import store_queries
from pipeline.store import Store
from pipeline.store_faults import translated

Document = dict[str, Any]
Stages = list[Mapping[str, Any]]

# Of the sensors of a type at a place no more are looked at.
PEERS_LIMIT = 5000
_BY_SENSOR = "sensor_id_1_timestamp_-1"


def sensor(store: Store, sensor_id: str) -> Document | None:
    """A sensor's last reading, or None for one that is not known."""
    with translated(store.address):
        return store.collection("sensors").find_one({"_id": {"$eq": sensor_id}})


def count(store: Store, sensor_id: str, since: datetime, until: datetime, limit: int) -> int:
    """How many readings a sensor has in [since, until), counted up to `limit`."""
    with translated(store.address):
        return store.collection("sensor_metrics").count_documents(
            _of_sensor(sensor_id, since, until), limit=limit, hint=_BY_SENSOR
        )


def readings(store: Store, sensor_id: str, since: datetime, until: datetime, limit: int) -> list[Document]:
    """A sensor's newest readings in [since, until), at most `limit`, by their time: timestamp, value, sensor_type."""
    fields = {"_id": 0, "timestamp": 1, "value": 1, "sensor_type": 1}
    with translated(store.address):
        found = store.collection("sensor_metrics").find(
            _of_sensor(sensor_id, since, until), fields, sort={"timestamp": -1}, limit=limit, hint=_BY_SENSOR
        )
        return list(found)[::-1]


def bins(store: Store, sensor_id: str, since: datetime, until: datetime, seconds: int) -> list[Document]:
    """A sensor's readings in [since, until), put together by time, in its order; empty bins are left out.

    Each has at (the bin's beginning), first and last (the instants of its readings), its values, and their types.
    `seconds` must go into a day without a remainder.
    """
    stages: Stages = [
        {"$match": _of_sensor(sensor_id, since, until)},
        {
            "$group": {
                "_id": {"$dateTrunc": {"date": "$timestamp", "unit": "second", "binSize": seconds}},
                "first": {"$min": "$timestamp"},
                "last": {"$max": "$timestamp"},
                "values": {"$push": "$value"},
                "types": {"$addToSet": "$sensor_type"},
            }
        },
    ]
    with translated(store.address):
        found = list(store.collection("sensor_metrics").aggregate(stages, hint=_BY_SENSOR))
    return sorted(({"at": one.pop("_id"), **one} for one in found), key=lambda one: one["at"])


def alerts(store: Store, sensor_id: str, since: datetime, until: datetime, limit: int) -> list[Document]:
    """A sensor's newest alerts in [since, until), at most `limit`, newest first."""
    fields = {"_id": 0, "timestamp": 1, "value": 1, "alert_type": 1, "priority": 1, "threshold": 1}
    with translated(store.address):
        found = store.collection("anomaly_alerts").find(
            _of_sensor(sensor_id, since, until), fields, sort={"timestamp": -1}, limit=limit, hint=_BY_SENSOR
        )
        return list(found)


def alarms(store: Store, sensor_id: str, clear_after: float, limit: int) -> list[Document]:
    """A sensor's alarms, those whose last alert is the newest first, as store_queries.alarms describes them."""
    matching = {"sensor_id": {"$eq": sensor_id}}
    # There is one by rule as well, which would have them sorted.
    return store_queries.alarms(store, clear_after, limit=limit, matching=matching, index="sensor_id_1_last.at_-1")


def peers(store: Store, sensor_type: str, location: str | None) -> list[Document]:
    """The last values of the sensors of a type at a place (`_id`, value), by their names, at most PEERS_LIMIT."""
    place = {"sensor_type": {"$eq": sensor_type}, "location": {"$eq": location}}
    with translated(store.address):
        found = store.collection("sensors").find(
            place, {"value": 1}, sort={"_id": 1}, limit=PEERS_LIMIT, hint="sensor_type_1_location_1__id_1"
        )
        return list(found)


def compared(store: Store, sensor_ids: Sequence[str], since: datetime, until: datetime) -> dict[str, Document]:
    """count, avg, min and max of each of the sensors that have readings in [since, until), by sensor_id."""
    chosen = {"sensor_id": {"$in": list(sensor_ids)}, "timestamp": {"$gte": since, "$lt": until}}
    figures = {
        "count": {"$sum": 1},
        "avg": {"$avg": "$value"},
        "min": {"$min": "$value"},
        "max": {"$max": "$value"},
    }
    stages: Stages = [{"$match": chosen}, {"$group": {"_id": "$sensor_id", **figures}}]
    with translated(store.address):
        found = store.collection("sensor_metrics").aggregate(stages, hint=_BY_SENSOR)
        return {one.pop("_id"): one for one in found}


def _of_sensor(sensor_id: str, since: datetime, until: datetime) -> Document:
    return {"sensor_id": {"$eq": sensor_id}, "timestamp": {"$gte": since, "$lt": until}}

"""Records as the documents that are stored.

A record is a mapping. Instants are datetimes with a zone, or whole milliseconds since 1970; a datetime without a zone
is refused, for nobody knows which one is meant. Fields that are None or missing are left out of the document. The
functions raise KeyError, TypeError or ValueError for a record that cannot be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline import store_ids
from pipeline.events import SensorReading

Document = dict[str, Any]

VALUE_LIMIT = 1024
PRIORITIES = {"low": 1, "normal": 2, "high": 3, "critical": 4}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND_MILLISECONDS = tuple(timedelta(microseconds=rest) for rest in range(1000))
# Which record of the topic a reading is of; the time tells a topic that was made anew.
PLACE = ("partition", "offset", "kafka_timestamp")
_READING_FIELDS = (
    *("run", "sequence", "timestamp", "sensor_id", "sensor_type", "value", "unit", "location", "status", "metadata"),
    *PLACE,
)
_SENSOR_FIELDS = ("timestamp", "sensor_type", "value", "unit", "location", "status")
# Of what a device tells about itself only this is carried on: anything else may be of any size and depth.
_SENSOR_METADATA = ("sensor_model", "battery_level")
_ALERT_FIELDS = (
    *("alert_type", "priority", "sensor_id", "sensor_type", "location", "value", "threshold", "unit", "message"),
    *("timestamp", "detected_at"),
)
_WINDOW_FIELDS = ("window_start", "window_end", "sensor_type", "location", "count", "avg", "min", "max", "std")
_LETTER_FIELDS = ("topic", "partition", "offset", "code", "reason", "retry_count", "kafka_timestamp")


Record = Mapping[str, Any]


def instant(value: datetime | int) -> datetime:
    """An instant in whole milliseconds, as MongoDB keeps it; raises ValueError for a datetime without a zone."""
    if isinstance(value, int):
        return _of_milliseconds(value)
    if value.tzinfo is None:
        raise ValueError(f"the instant {value} has no zone")
    # replace() takes eight times as long.
    return value - _BEYOND_MILLISECONDS[value.microsecond % 1000]


# The records of a batch share many of the broker's milliseconds.
@lru_cache(maxsize=1024)
def _of_milliseconds(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


@lru_cache(maxsize=1024)
def _without_zone(value: int) -> datetime:
    return without_zone(_of_milliseconds(value))


def without_zone(value: datetime) -> datetime:
    """An instant as PyMongo writes it soonest: it takes UTC for granted, and asks any zone for its offset."""
    return value.astimezone(UTC).replace(tzinfo=None)


class Arrival(NamedTuple):
    """A reading that keeps the contract, its time, and where it stood: `position` in its batch, and on the topic."""

    reading: SensorReading
    timestamp: datetime
    position: int
    partition: int
    offset: int
    kafka_timestamp: int


def place(arrival: Arrival) -> tuple[int, int, datetime]:
    """What a stored reading has in the fields of PLACE."""
    return arrival.partition, arrival.offset, _of_milliseconds(arrival.kafka_timestamp)


def arrived(arrival: Arrival, stored_at: datetime) -> Document:
    """What `reading` makes of the same record, in BSON; in three fifths of the time, as the codec has judged it."""
    reading, timestamp, _, partition, offset, kafka_timestamp = arrival
    document: Document = {
        "_id": store_ids.judged_id(reading.event_id),
        "run": reading.run,
        "sequence": reading.sequence,
        "timestamp": instant(timestamp),
        "sensor_id": reading.sensor_id,
        "sensor_type": reading.sensor_type,
        "value": reading.value,
        "unit": reading.unit,
        "location": reading.location,
        "status": reading.status,
        "metadata": reading.metadata,
        "partition": partition,
        "offset": offset,
        "kafka_timestamp": _without_zone(kafka_timestamp),
        "stored_at": stored_at,
    }
    if None in (reading.run, reading.sequence, reading.unit, reading.location, reading.status, reading.metadata):
        return {name: value for name, value in document.items() if value is not None}
    return document


def reading(record: Mapping[str, Any], stored_at: datetime) -> Document:
    """A document of sensor_metrics."""
    document = _taken(record, _READING_FIELDS)
    document["_id"] = store_ids.reading_id(record["event_id"])
    document["value"] = float(document["value"])
    document["timestamp"] = instant(document["timestamp"])
    if "kafka_timestamp" in document:
        document["kafka_timestamp"] = instant(document["kafka_timestamp"])
    document["stored_at"] = stored_at
    return document


def sensor(reading: Mapping[str, Any]) -> Document:
    """The document of sensors that a stored reading makes."""
    metadata = reading.get("metadata") or {}
    told = {name: metadata[name] for name in _SENSOR_METADATA if isinstance(metadata.get(name), str | int | float)}
    return {
        "_id": reading["sensor_id"],
        "event_id": reading["_id"],
        **_taken(reading, _SENSOR_FIELDS),
        **({"metadata": told} if told else {}),
        "stored_at": reading["stored_at"],
    }


def alert(record: Mapping[str, Any], stored_at: datetime) -> Document:
    """A document of anomaly_alerts."""
    document = {"_id": record["alert_id"], **_taken(record, _ALERT_FIELDS)}
    if document["priority"] not in PRIORITIES:
        raise ValueError(f"priority '{document['priority']}' is none of {', '.join(PRIORITIES)}")
    document["value"] = float(document["value"])
    document["timestamp"] = instant(document["timestamp"])
    if "detected_at" in document:
        document["detected_at"] = instant(document["detected_at"])
    document["stored_at"] = stored_at
    return document


def window(record: Mapping[str, Any]) -> Document:
    """A document of windowed_metrics, without stored_at."""
    document = _taken(record, _WINDOW_FIELDS)
    for name in ("window_start", "window_end"):
        document[name] = instant(document[name])
    identity = store_ids.window_id(document["window_start"], document["sensor_type"], document["location"])
    return {"_id": identity, **document}


def dead_letter(record: Mapping[str, Any], stored_at: datetime) -> Document:
    """A document of dead_letters: the first 1 KiB of the value, and its `size` in bytes."""
    document = _taken(record, _LETTER_FIELDS)
    for name in ("key", "value"):
        if record.get(name) is not None:
            content = bytes(record[name])
            document[name] = content[:VALUE_LIMIT]
            if name == "value":
                document["size"] = len(content)
    if "kafka_timestamp" in document:
        document["kafka_timestamp"] = instant(document["kafka_timestamp"])
    identity = store_ids.dead_letter_id(document["topic"], document["partition"], document["offset"])
    return {"_id": identity, **document, "stored_at": stored_at}


def _taken(record: Mapping[str, Any], names: tuple[str, ...]) -> Document:
    return {name: value for name in names if (value := record.get(name)) is not None}

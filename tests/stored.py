"""Records as Spark hands them over, and what a database holds, for the tests of MongoDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
from harness import await_condition
from pymongo import MongoClient
from pymongo.database import Database
from tenacity import wait_none

from pipeline import event_ids
from pipeline.store_faults import Patience
from pipeline.store_writes import Manner
from pipeline.view import View

RUN = "5eed00c0ffee"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STORED_AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
# Batches of a few records and a clock that stands still, so that what is stored can be compared as a whole.
STILL = Manner(batch=7, now=lambda: STORED_AT)
HASTY = Manner(batch=50, patience=Patience(attempts=2, pauses=wait_none()))


class Maker(Protocol):
    """What makes a page's snapshots."""

    def make(self, view: View) -> dict[str, Any]:
        """The snapshot of a view."""
        ...


def readings(
    count: int, *, sensors: int = 4, run: str = RUN, start: datetime = START, **changes: Any
) -> list[dict[str, Any]]:
    """Readings of a fleet whose sensors take turns, 100 ms apart."""
    numbers = np.arange(count)
    ids = event_ids.encode(run, numbers // sensors, numbers % sensors)
    return [
        {
            "event_id": ids[i],
            "run": run,
            "sequence": i // sensors,
            "timestamp": start + timedelta(milliseconds=100 * i),
            "sensor_id": f"sensor_{i % sensors}",
            "sensor_type": "temperature",
            "value": 20.0 + i % 10,
            "unit": "°C",
            "location": "warehouse-north",
            "status": "normal",
            "metadata": {"sensor_model": "MODEL_01", "battery_level": 77},
            "partition": i % 3,
            "offset": i // 3,
            "kafka_timestamp": start + timedelta(milliseconds=100 * i + 5),
            **changes,
        }
        for i in range(count)
    ]


def alert(
    second: float, *, sensor: int = 0, rule: str = "too_hot", priority: str = "high", number: int = 0
) -> dict[str, Any]:
    """An alert so many seconds after START."""
    sequence = np.array([round(second * 1000)])
    event_id = event_ids.encode(RUN, sequence, np.array([sensor * 1000 + number]))[0]
    return {
        "alert_id": f"{rule}-{event_id}",
        "alert_type": rule,
        "priority": priority,
        "sensor_id": f"sensor_{sensor}",
        "sensor_type": "temperature",
        "location": "warehouse-north",
        "value": 40.0 + second % 7,
        "threshold": 35.0,
        "unit": "°C",
        "message": "temperature is above 35 °C",
        "timestamp": START + timedelta(seconds=second),
        "detected_at": STORED_AT,
    }


def window(
    second: int, *, sensor_type: str = "temperature", location: str = "warehouse-north", count: int = 3
) -> dict[str, Any]:
    """The statistics of a window of 10 seconds that begins so many seconds after START."""
    start = START + timedelta(seconds=second)
    return {
        "window_start": start,
        "window_end": start + timedelta(seconds=10),
        "sensor_type": sensor_type,
        "location": location,
        "count": count,
        "avg": 20.5 + count,
        "min": 20.0,
        "max": 21.0,
        "std": 0.5,
    }


def dead_letter(offset: int, value: bytes | None = b"{oops", **changes: Any) -> dict[str, Any]:
    """A refused message."""
    return {
        "topic": "sensor-data",
        "partition": 0,
        "offset": offset,
        "key": b"sensor_1",
        "value": value,
        "code": "not_json",
        "reason": "not JSON: it ends too early",
        "retry_count": 0,
        "kafka_timestamp": START,
        **changes,
    }


def whole(maker: Maker, view: View) -> dict[str, Any]:
    """What is made of a view when all of its time is read: a slow machine needs several refreshes, as a page asks."""
    found: dict[str, Any] = {}

    def is_read() -> bool:
        found.update(maker.make(view))
        return bool(found.get("complete", True))

    await_condition(is_read, "the whole time to be read")
    # What cannot be sent is no document.
    return dict(json.loads(json.dumps(found, allow_nan=False)))


@contextmanager
def opened(uri: str, database: str) -> Iterator[Database[dict[str, Any]]]:
    """A database over a client of its own."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        yield client[database]


def dump(uri: str, database: str) -> dict[str, list[dict[str, Any]]]:
    """Everything that a database holds, by collection, sorted by `_id`."""
    with opened(uri, database) as found:
        return {name: list(found[name].find(sort={"_id": 1})) for name in sorted(found.list_collection_names())}

"""Quix Streams: windows of ten seconds of event time for each type and location, with count, mean, min and max.

It ends when so many readings have been counted, and fails where one was left out. State is on disk, with changelog.

Usage: windows_quix.py SERVERS TOPIC COUNT
"""

import json
import sys
import tempfile
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Mean, Min

WINDOW = timedelta(seconds=10)
# A window's readings come from all partitions, which are not read side by side by event time: with a short grace those
# of a partition that is behind would be left out.
GRACE = timedelta(days=7)
# What a window has come to is kept in memory until a commit.
COMMIT_SECONDS = 5.0


def event_time(value: Any, _headers: Any, _timestamp: float, _type: Any) -> int:
    """The time of a reading in milliseconds."""
    return int(datetime.fromisoformat(value["timestamp"]).timestamp() * 1000)


def place(value: dict[str, Any]) -> str:
    """What readings are grouped by."""
    return f"{value['sensor_type']}|{value['location']}"


class Stopwatch:
    """The seconds from the first reading to the last result."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0

    def reading(self, _value: Any) -> None:
        self._began = self._began or time.perf_counter()

    def result(self, _value: Any) -> None:
        self._ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._ended - self._began


def late(value: Any, *_: Any) -> bool:
    """Called for a reading that is too late for its window."""
    raise RuntimeError(f"a reading was left out: {value}")


def main() -> None:
    servers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            servers,
            consumer_group=f"windows-{uuid.uuid4().hex[:8]}",
            auto_offset_reset="earliest",
            commit_interval=COMMIT_SECONDS,
            state_dir=state,
            consumer_extra_config={"fetch.queue.backoff.ms": 20},
            producer_extra_config={"linger.ms": 20, "batch.size": 262_144, "compression.type": "lz4"},
            loglevel="WARNING",
        )
        source = app.topic(topic, value_deserializer="json", timestamp_extractor=event_time)
        readings = app.dataframe(source).update(watch.reading)
        # The readings go through a topic of their own by type and location, so with no more than is needed.
        grouped = readings[["sensor_type", "location", "value"]].group_by(place, name="place")
        windows = grouped.tumbling_window(WINDOW, GRACE, on_late=late).agg(
            count=Count(), mean=Mean("value"), min=Min("value"), max=Max("value")
        )
        windows.current().update(watch.result)
        app.run(count=count, collect=False)
    print(json.dumps({"messages": count, "seconds": watch.seconds}))


main()

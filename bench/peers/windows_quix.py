"""Quix Streams: windows of ten seconds of event time for each type and location, with count, mean, min and max.

Processes with the same GROUP share the partitions. Each ends when it has counted so many readings, or when none has
come for a while, and prints as JSON when it began and ended, and each window's last count. It fails where a reading was
left out. State is on disk, with changelog.

Usage: windows_quix.py SERVERS TOPIC COUNT GROUP
"""

import json
import sys
import tempfile
import time
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
# Longer than a process waits for what the others put into the topic by type and location.
IDLE_SECONDS = 10.0


def event_time(value: Any, _headers: Any, _timestamp: float, _type: Any) -> int:
    """The time of a reading in milliseconds."""
    return int(datetime.fromisoformat(value["timestamp"]).timestamp() * 1000)


def place(value: dict[str, Any]) -> str:
    """What readings are grouped by."""
    return f"{value['sensor_type']}|{value['location']}"


class Counted:
    """The moments of the first reading and of the last result, and each window's last count."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.windows: dict[tuple[Any, int], int] = {}

    def reading(self, _value: Any) -> None:
        self.began = self.began or time.time()

    def result(self, value: dict[str, Any], key: Any, _timestamp: int, _headers: Any) -> None:
        self.ended = time.time()
        self.windows[key, value["start"]] = value["count"]


def late(value: Any, *_: Any) -> bool:
    """Called for a reading that is too late for its window."""
    raise RuntimeError(f"a reading was left out: {value}")


def main() -> None:
    servers, topic, count, group = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    counted = Counted()
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            servers,
            consumer_group=group,
            auto_offset_reset="earliest",
            commit_interval=COMMIT_SECONDS,
            state_dir=state,
            consumer_extra_config={"fetch.queue.backoff.ms": 20},
            producer_extra_config={"linger.ms": 20, "batch.size": 262_144, "compression.type": "lz4"},
            loglevel="WARNING",
        )
        source = app.topic(topic, value_deserializer="json", timestamp_extractor=event_time)
        readings = app.dataframe(source).update(counted.reading)
        # The readings go through a topic of their own by type and location, so with no more than is needed.
        grouped = readings[["sensor_type", "location", "value"]].group_by(place, name="place")
        windows = grouped.tumbling_window(WINDOW, GRACE, on_late=late).agg(
            count=Count(), mean=Mean("value"), min=Min("value"), max=Max("value")
        )
        windows.current().update(counted.result, metadata=True)
        app.run(count=count, timeout=IDLE_SECONDS, collect=False)
    last = {f"{key} {start}": count for (key, start), count in counted.windows.items()}
    print(json.dumps({"began": counted.began, "ended": counted.ended, "windows": last}))


main()

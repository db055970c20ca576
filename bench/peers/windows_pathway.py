"""Pathway: windows of ten seconds of event time for each type and location, with count, mean, min and max.

It ends when so many readings have been counted, and prints as JSON when it began and ended, and each window's last
count. It has one thread unless PATHWAY_THREADS says otherwise.

Usage: windows_pathway.py SERVERS TOPIC COUNT GROUP
"""

import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

import pathway as pw

WINDOW = timedelta(seconds=10)
# The reader makes dates of no text that has a Z; without a zone it is one number.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
# How often results come; a longer time makes nothing faster.
COMMIT_MILLISECONDS = 100
# What is needed of a reading.
COLUMNS = {"timestamp": str, "sensor_type": str, "location": str, "value": float}


class Counted:
    """How many readings the windows have, by their last results."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._windows: dict[str, int] = {}
        self._began = 0.0

    def change(self, row: dict[str, Any], time: int, is_addition: bool, **_key: Any) -> None:
        """A window's result that came (or went, for a newer one)."""
        # The time of the commit, in milliseconds: its first reading came no more than a commit's length from it.
        self._began = self._began or time / 1000
        if is_addition:
            self._windows[f"{row['place']} {row['start']}"] = row["count"]

    def end_of_commit(self, _time: int) -> None:
        """Ends the program, which has no end by itself, where all are counted."""
        if sum(self._windows.values()) >= self._count:
            told = {"began": self._began, "ended": time.time(), "windows": self._windows}
            print(json.dumps(told), flush=True)
            os._exit(0)


def main() -> None:
    servers, topic, count, group = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    settings = {
        "bootstrap.servers": servers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "fetch.queue.backoff.ms": "20",
    }
    # No reading is ever taken back, so no window has to keep its values for min and max.
    schema = pw.schema_builder(
        {name: pw.column_definition(dtype=kind) for name, kind in COLUMNS.items()},
        properties=pw.SchemaProperties(append_only=True),
    )
    readings = pw.io.kafka.read(
        settings, topic, schema=schema, format="json", autocommit_duration_ms=COMMIT_MILLISECONDS
    )
    windows = readings.windowby(
        readings.timestamp.dt.strptime(TIME_FORMAT),
        window=pw.temporal.tumbling(duration=WINDOW),
        instance=(readings.sensor_type, readings.location),
    ).reduce(
        start=pw.this._pw_window_start,
        place=pw.this._pw_instance,
        count=pw.reducers.count(),
        mean=pw.reducers.avg(pw.this.value),
        min=pw.reducers.min(pw.this.value),
        max=pw.reducers.max(pw.this.value),
    )
    counted = Counted(count)
    pw.io.subscribe(windows, counted.change, on_time_end=counted.end_of_commit)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


main()

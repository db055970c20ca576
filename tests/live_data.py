"""A database as the Spark job fills it, with a running fleet, for the tests of the page; also as a command.

PYTHONPATH=.:tests python tests/live_data.py --mongo-uri mongodb://127.0.0.1:27017 --history 900
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from fleets import simulated_fleet

from pipeline import event_ids, store, store_alarms, store_progress, store_writes
from pipeline.console import StopRequest
from pipeline.fleet import Fleet
from pipeline.store import Store

WINDOW = 10.0
RUN = "0000feedda7a"
# Rule, priority and the limits that a value must leave to fire it.
RULES = {
    "temperature": ("temperature_out_of_range", "high", 10, 35),
    "humidity": ("humidity_out_of_range", "normal", 20, 80),
    "pressure": ("pressure_out_of_range", "normal", 980, 1035),
    "vibration": ("vibration_high", "high", -1, 5),
    "voltage": ("voltage_out_of_range", "high", 210, 240),
    "current": ("current_high", "critical", -1, 12),
}


@dataclass
class LiveFleet:
    """Feeds a database with what a fleet measures; a call of `feed` writes what is due until then."""

    target: Store
    sensors: int = 144
    rate: float = 144.0
    anomaly_rate: float = 0.002
    history: float = 900.0
    readings_kept: float = 60.0
    batch: int = 0
    fleet: Fleet = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = simulated_fleet(self.sensors, self.rate, anomaly_rate=self.anomaly_rate)
        self.begin = datetime.now(UTC) - timedelta(seconds=self.history)
        self.blocks = self._frames()
        self.ahead = next(self.blocks)
        self.open = self.ahead.iloc[:0]
        self.last = self.begin

    def _frames(self) -> Iterator[pd.DataFrame]:
        """The fleet's readings, block by block, as a table."""
        types, names, places = self.fleet.types, self.fleet.names(), self.fleet.locations()
        units = [self.fleet.catalog.unit(name) for name in types]
        for block in self.fleet.readings():
            yield pd.DataFrame(
                {
                    "due": block.due,
                    "event_id": event_ids.encode(RUN, block.sequence, block.sensor),
                    "sequence": block.sequence,
                    "sensor_id": [names[n] for n in block.sensor],
                    "sensor_type": [types[n] for n in block.type],
                    "unit": [units[n] for n in block.type],
                    "location": [places[n] for n in block.sensor],
                    "value": block.value,
                    "status": np.where(block.anomaly, "anomaly", "normal"),
                    "metadata": [
                        {"sensor_model": f"MODEL_{n % 5 + 1:02}", "battery_level": 20 + int(n) % 81}
                        for n in block.sensor
                    ],
                }
            )

    def _until(self, due: float) -> pd.DataFrame:
        parts = []
        while len(self.ahead) and self.ahead["due"].iloc[-1] < due:
            parts.append(self.ahead)
            self.ahead = next(self.blocks)
        parts.append(self.ahead[self.ahead["due"] < due])
        self.ahead = self.ahead[self.ahead["due"] >= due]
        return pd.concat(parts, ignore_index=True)

    def instant(self, due: float) -> datetime:
        return self.begin + timedelta(seconds=float(due))

    def feed(self) -> int:
        """Write the readings that are due, their windows, alerts and the queries' progress; returns how many."""
        began = time.monotonic()
        now = datetime.now(UTC)
        due = self._until((now - self.begin).total_seconds())
        self._windows(due)
        self._alerts(due)
        late = due["due"] >= (now - self.begin).total_seconds() - self.readings_kept
        store_writes.write_readings(self.target, self._readings(due[late]))
        self._progress(now, len(due), time.monotonic() - began)
        self.last = now
        return len(due)

    def _readings(self, due: pd.DataFrame) -> Iterator[dict[str, Any]]:
        for number, one in enumerate(due.to_dict("records")):
            at = self.instant(one.pop("due"))
            fields = {str(name): value for name, value in one.items()}
            yield {
                **fields,
                "run": RUN,
                "timestamp": at,
                "partition": number % 3,
                "offset": number,
                "kafka_timestamp": at,
            }

    def _windows(self, due: pd.DataFrame) -> None:
        offset = self.begin.timestamp()
        both = pd.concat([self.open, due], ignore_index=True)
        start = ((both["due"] + offset) // WINDOW) * WINDOW
        grouped = both.groupby([start.rename("start"), "sensor_type", "location"])["value"]
        found = grouped.agg(["count", "mean", "min", "max", "std"]).reset_index()
        store_writes.write_windows(
            self.target,
            (
                {
                    "window_start": datetime.fromtimestamp(one["start"], UTC),
                    "window_end": datetime.fromtimestamp(one["start"] + WINDOW, UTC),
                    "sensor_type": one["sensor_type"],
                    "location": one["location"],
                    "count": int(one["count"]),
                    "avg": float(one["mean"]),
                    "min": float(one["min"]),
                    "max": float(one["max"]),
                    "std": 0.0 if np.isnan(one["std"]) else float(one["std"]),
                }
                for one in found.to_dict("records")
            ),
        )
        self.open = both[start == start.max()]

    def _alerts(self, due: pd.DataFrame) -> None:
        found = []
        for one in due.to_dict("records"):
            rule, priority, low, high = RULES[one["sensor_type"]]
            if low <= one["value"] <= high:
                continue
            limit = high if one["value"] > high else low
            side = "above" if one["value"] > high else "below"
            found.append(
                {
                    **{name: one[name] for name in ("sensor_id", "sensor_type", "location", "value", "unit")},
                    "alert_id": f"{rule}-{one['event_id']}",
                    "alert_type": rule,
                    "priority": priority,
                    "threshold": float(limit),
                    "message": f"{one['sensor_type']} {one['value']} {one['unit']} is {side} {limit} {one['unit']}",
                    "timestamp": self.instant(one["due"]),
                    "detected_at": datetime.now(UTC),
                }
            )
        store_alarms.write_alerts(self.target, found)

    def _progress(self, now: datetime, rows: int, seconds: float) -> None:
        for query in ("router", "readings", "windows"):
            figures = {
                "query": query,
                "query_id": f"live-{query}",
                "batch_id": self.batch,
                "at": now,
                "rows": rows,
                "rows_per_second": rows / max(seconds, 1e-3),
                "batch_seconds": seconds,
                "lag": rows // 10,
                "state": "running",
                "mode": "real-time" if query == "router" else "micro-batch",
            }
            counts = {"late": self.batch % 7 == 0} if query == "windows" else {"refused": 0, "stored": rows}
            store_progress.write_progress(self.target, figures, {name: int(n) for name, n in counts.items()})
        self.batch += 1

    def run(self, stop: threading.Event | StopRequest, interval: float = 1.0) -> None:
        """Feed until told to stop."""
        while not stop.wait(interval):
            self.feed()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mongo-uri", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--database", default="iot_analytics")
    parser.add_argument("--history", type=float, default=900.0)
    parser.add_argument("--sensors", type=int, default=144)
    parser.add_argument("--rate", type=float, default=144.0)
    parser.add_argument("--anomaly-rate", type=float, default=0.002)
    given = parser.parse_args()
    target = store.ensure(given.mongo_uri, given.database)
    live = LiveFleet(target, given.sensors, given.rate, given.anomaly_rate, given.history)
    with StopRequest() as stop:
        live.run(stop)


if __name__ == "__main__":
    main()

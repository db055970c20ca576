"""What a day of a thousand sensors leaves in MongoDB, written there directly; also as a command.

PYTHONPATH=.:tests python tests/day_data.py --mongo-uri mongodb://127.0.0.1:27017 --readings-hours 1

Windows, alarms and progress are those of the whole day, readings and alerts those of its last hours: 1,000 readings a
second are 86 million a day. Sensors, values and rules are those of LiveFleet, which goes on from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from bson import Binary
from bson.binary import UUID_SUBTYPE
from fleets import simulated_fleet
from live_data import RULES, WINDOW
from pipeline_data import SimulatedJob
from pymongo import WriteConcern

from pipeline import store, store_documents, store_ids, store_writes
from pipeline.fleet import Fleet
from pipeline.store import Store
from pipeline.store_documents import PRIORITIES

DAY = 86_400.0
BATCH = 10_000
RUN = "0000da7a0001"


@dataclass
class PastDay:
    """A day that ends at `until`; `alarm_every` is the seconds from one alarm of a sensor to its next one."""

    target: Store
    until: datetime
    sensors: int = 1000
    rate: float = 1000.0
    seconds: float = DAY
    readings_hours: float = 0.25
    alarm_every: float = 430.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(11))
    fleet: Fleet = field(init=False)

    def __post_init__(self) -> None:
        self.until = store_documents.instant(self.until)
        self.fleet = simulated_fleet(self.sensors, self.rate)
        catalog = self.fleet.catalog
        self.kinds = [catalog.types[name] for name in self.fleet.types]
        self.names, self.places = self.fleet.names(), self.fleet.locations()
        self.type_of = [number % len(self.kinds) for number in range(self.sensors)]

    def write(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Store it all; `told` is told what is done."""
        for name, documents in (
            ("sensors", self._sensors()),
            ("windowed_metrics", self._windows()),
            ("alarms", self._alarms()),
            ("sensor_metrics", self._readings()),
            ("anomaly_alerts", self._alerts()),
        ):
            told(f"{self._insert(name, documents):,} {name}")
        SimulatedJob(self.target, self.until, self.seconds, self.rate).write()
        told("progress")

    def _insert(self, name: str, documents: Iterable[dict[str, Any]]) -> int:
        collection = self.target.collection(name).with_options(write_concern=WriteConcern(w=1, j=False))
        count = 0
        for part in store_writes.batches(documents, BATCH):
            collection.insert_many(part, ordered=False, bypass_document_validation=True)
            count += len(part)
        return count

    def _base(self, number: int, second: float) -> float:
        """What a sensor measures about then: it drifts within its normal range."""
        kind = self.kinds[self.type_of[number]]
        middle, half = (kind.normal_maximum + kind.normal_minimum) / 2, (kind.normal_maximum - kind.normal_minimum) / 2
        return float(middle + 0.8 * half * np.sin(2 * np.pi * (second / DAY + number / self.sensors)))

    def _sensors(self) -> Iterator[dict[str, Any]]:
        for number, name in enumerate(self.names):
            yield {
                "_id": name,
                "event_id": Binary(bytes(16), UUID_SUBTYPE),
                **self._about(number),
                "timestamp": self.until - timedelta(milliseconds=number),
                "value": round(self._base(number, DAY), 2),
                "status": "normal",
                "metadata": {"sensor_model": f"MODEL_0{number % 5 + 1}", "battery_level": 20 + number % 81},
                "stored_at": self.until,
            }

    def _about(self, number: int) -> dict[str, Any]:
        kind = self.fleet.types[self.type_of[number]]
        return {"sensor_type": kind, "location": self.places[number], "unit": self.fleet.catalog.unit(kind)}

    def _windows(self) -> Iterator[dict[str, Any]]:
        groups: dict[tuple[int, str], list[int]] = {}
        for number, kind in enumerate(self.type_of):
            groups.setdefault((kind, self.places[number]), []).append(number)
        first = np.floor((self.until.timestamp() - self.seconds) / WINDOW) * WINDOW
        for step in range(int(self.seconds / WINDOW)):
            start = datetime.fromtimestamp(first + step * WINDOW, UTC)
            noise = self.rng.normal(size=(len(groups), 3))
            for (kind, place), numbers, jitter in zip(groups, groups.values(), noise, strict=True):
                about = self.kinds[kind]
                span = about.normal_maximum - about.normal_minimum
                mean = self._base(numbers[0], step * WINDOW) + 0.03 * span * jitter[0]
                # Some anomalies are in every window of so many readings.
                low = max(about.minimum, mean - span * (0.6 + 0.3 * abs(jitter[1])))
                high = min(about.maximum, mean + span * (0.6 + 0.3 * abs(jitter[2])))
                name = self.fleet.types[kind]
                yield {
                    "_id": store_ids.window_id(start, name, place),
                    "window_start": start,
                    "window_end": start + timedelta(seconds=WINDOW),
                    "sensor_type": name,
                    "location": place,
                    "count": round(len(numbers) * WINDOW * self.rate / self.sensors),
                    "avg": mean,
                    "min": low,
                    "max": high,
                    "std": 0.2 * span,
                    "stored_at": start + timedelta(seconds=WINDOW),
                }

    def _alarms(self) -> Iterator[dict[str, Any]]:
        for number, name in enumerate(self.names):
            kind = self.fleet.types[self.type_of[number]]
            rule, priority, _, _ = RULES[kind]
            at = float(self.rng.uniform(0, self.alarm_every))
            while at < self.seconds:
                until = min(at + float(self.rng.exponential(self.alarm_every - 80.0)), self.seconds)
                since = self.until - timedelta(seconds=self.seconds - at)
                last = self.until - timedelta(seconds=self.seconds - until)
                first_seen, last_seen = map(store_documents.instant, (since, last))
                yield {
                    "_id": store_ids.alarm_id(name, rule, first_seen),
                    "sensor_id": name,
                    "alert_type": rule,
                    "first_seen": first_seen,
                    "last": {
                        "at": last_seen,
                        "alert_id": f"{rule}-{number}-{at:.0f}",
                        "value": 99.5,
                        "threshold": 35.0,
                        "priority": priority,
                        **self._about(number),
                        "message": f"{kind} 99.5 is above 35.0",
                    },
                    "worst_priority": PRIORITIES[priority],
                    "stored_at": last_seen,
                    **self._seen(last_seen),
                }
                at = until + 60.0 + float(self.rng.exponential(20.0))

    def _seen(self, at: datetime) -> dict[str, Any]:
        if self.rng.random() > 0.3:
            return {}
        return {"acknowledged": {"at": at, "by": "ada", "note": "looked at"}}

    def _numbered(self) -> Iterator[tuple[int, int, datetime]]:
        """Number of the reading, its sensor, and its instant, of the last hours, oldest first."""
        count = int(self.readings_hours * 3600 * self.rate)
        for position in range(count):
            yield position, position % self.sensors, self.until - timedelta(seconds=(count - position) / self.rate)

    def _readings(self) -> Iterator[dict[str, Any]]:
        run = bytes.fromhex(RUN)
        tags = [self._about(number) for number in range(self.sensors)]
        bases = [self._base(number, DAY) for number in range(self.sensors)]
        spans = [0.1 * (self.kinds[kind].normal_maximum - self.kinds[kind].normal_minimum) for kind in self.type_of]
        for position, number, at in self._numbered():
            yield {
                "_id": Binary(run + position.to_bytes(10, "big"), UUID_SUBTYPE),
                "run": RUN,
                "sequence": position // self.sensors,
                "timestamp": store_documents.instant(at),
                "sensor_id": self.names[number],
                **tags[number],
                "value": round(bases[number] + spans[number] * (position * 7919 % 1000 / 500 - 1), 2),
                "status": "normal",
                "partition": number % 3,
                "offset": position,
                "kafka_timestamp": at,
                "stored_at": at,
            }

    def _alerts(self) -> Iterator[dict[str, Any]]:
        for position, number, at in self._numbered():
            if position % 20:
                continue
            kind = self.fleet.types[self.type_of[number]]
            rule, priority, _, high = RULES[kind]
            yield {
                "_id": f"{rule}-{position}",
                "alert_type": rule,
                "priority": priority,
                "sensor_id": self.names[number],
                **self._about(number),
                "value": 99.5,
                "threshold": float(high),
                "message": f"{kind} 99.5 is above {high}",
                "timestamp": store_documents.instant(at),
                "detected_at": at,
                "stored_at": at,
            }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mongo-uri", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--database", default="iot_analytics")
    parser.add_argument("--readings-hours", type=float, default=0.25)
    given = parser.parse_args()
    target = store.ensure(given.mongo_uri, given.database)
    PastDay(target, datetime.now(UTC), readings_hours=given.readings_hours).write(print)


if __name__ == "__main__":
    main()

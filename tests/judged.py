"""What the Python codec and rules make of a topic's records: what a Spark job has to arrive at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pandas as pd
from topics import read_all

from pipeline import rules, store_alarms, store_writes
from pipeline.events import Alert, RefusedMessage, SensorReading, decode_reading
from pipeline.rules import Rule
from pipeline.store import Store

Place = tuple[int, int]
# Who compares leaves the clocks out.
NOW = "2026-01-31T08:00:01Z"


@dataclass
class Judged:
    """The records of a topic by partition and offset: the readings, repeats included, and the codes of the refused."""

    readings: dict[Place, SensorReading] = field(default_factory=dict)
    refused: dict[Place, str] = field(default_factory=dict)
    records: dict[Place, Any] = field(default_factory=dict)

    @property
    def distinct(self) -> dict[str, tuple[Place, SensorReading]]:
        """The readings by event_id, each where it stood first."""
        found: dict[str, tuple[Place, SensorReading]] = {}
        for place, reading in sorted(self.readings.items()):
            found.setdefault(reading.event_id, (place, reading))
        return found

    def alerts(self, chosen: Sequence[Rule]) -> list[Alert]:
        """The alerts of all readings, repeats included."""
        return [alert for one in self.readings.values() for alert in rules.alerts(chosen, one, NOW)]

    def rows(self) -> list[dict[str, Any]]:
        """The distinct readings as they are stored."""
        return [
            {
                **msgspec.structs.asdict(reading),
                "timestamp": reading.event_time,
                "partition": place[0],
                "offset": place[1],
                "kafka_timestamp": kafka_time(self.records[place]),
            }
            for place, reading in self.distinct.values()
        ]

    def frame(self) -> pd.DataFrame:
        """The distinct readings as a table."""
        return pd.DataFrame(self.rows())

    def store(self, target: Store, chosen: Sequence[Rule]) -> None:
        """Store readings, sensors, alerts and alarms, without Spark."""
        store_writes.write_readings(target, self.rows())
        store_alarms.write_alerts(target, [alert_row(one) for one in self.alerts(chosen)])


def alert_row(alert: Alert) -> dict[str, Any]:
    """An alert as it is stored."""
    row = msgspec.structs.asdict(alert)
    return row | {name: datetime.fromisoformat(row[name]) for name in ("timestamp", "detected_at")}


def judge(servers: str, topic: str) -> Judged:
    """Read and judge what a topic holds now."""
    judged = Judged()
    for record in read_all(servers, topic):
        place = record.partition(), record.offset()
        judged.records[place] = record
        try:
            judged.readings[place] = decode_reading(record.value(), kafka_timestamp_ms=record.timestamp()[1])
        except RefusedMessage as refused:
            judged.refused[place] = str(refused.code)
    return judged


def kafka_time(record: Any) -> datetime:
    """The instant at which the broker took a record."""
    milliseconds = record.timestamp()[1]
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)

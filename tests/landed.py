"""Brings what a topic holds into a database, with its windows: the contents that a comparison looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from judged import NOW, alert_row
from topics import read_all
from windowed import windows_of

from pipeline import rules, store_alarms, store_writes
from pipeline.events import RefusedMessage, decode_reading
from pipeline.store import Store

RULES = rules.load(None)


@dataclass(frozen=True)
class Contents:
    """What a topic holds: its readings, those that came twice once, their alerts, and what the contract refuses."""

    readings: pd.DataFrame
    alerts: list[dict[str, Any]]
    letters: list[dict[str, Any]]

    def land(self, target: Store) -> pd.DataFrame:
        """Store it all; returns the readings."""
        records = self.readings.astype({"timestamp": object}).to_dict("records")
        assert store_writes.write_readings(target, records).refused == []
        assert store_alarms.write_alerts(target, self.alerts).refused == []
        assert store_writes.write_dead_letters(target, self.letters).refused == []
        return self.readings


def read_contents(servers: str, topic: str) -> Contents:
    """Read a topic from its beginning to its present end."""
    readings: dict[str, dict[str, Any]] = {}
    alerts: list[dict[str, Any]] = []
    letters = []
    for record in read_all(servers, topic):
        place = {"partition": record.partition(), "offset": record.offset()}
        try:
            reading = decode_reading(record.value(), kafka_timestamp_ms=record.timestamp()[1])
        except RefusedMessage as refused:
            letters.append({"topic": topic, **place, "code": refused.code, "reason": refused.sentence})
            continue
        fields = {name: getattr(reading, name) for name in reading.__struct_fields__ if name != "schema_version"}
        if reading.event_id not in readings:
            alerts += [alert_row(one) for one in rules.alerts(RULES, reading, NOW)]
        readings[reading.event_id] = {**fields, **place, "timestamp": reading.event_time}
    return Contents(pd.DataFrame(readings.values()), alerts, letters)


def land_windows(target: Store, readings: pd.DataFrame, **shape: float) -> list[dict[str, Any]]:
    """Store the windows of readings; returns them."""
    windows = windows_of(readings, **shape)
    assert store_writes.write_windows(target, windows).refused == []
    return windows

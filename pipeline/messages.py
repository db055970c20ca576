"""Readings as Kafka messages: arrays in, JSON out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from pipeline import event_ids, events
from pipeline.faults import MALFORMATIONS, Fault
from pipeline.fleet import Fleet, Readings

_SENSOR_MODELS = 5
_BATTERY_MINIMUM, _BATTERY_MAXIMUM = 20, 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(NamedTuple):
    """One message to send: the sensor's name as key, and what the ledger and the statistics want to know."""

    key: bytes
    payload: bytes
    sensor: int
    sequence: int
    type: int
    anomaly: bool
    fault: int


class MessageMaker:
    """Turns a fleet's readings into messages.

    `run` is 12 hexadecimal digits, `start` the timestamp of the instant 0 of the timetable.
    """

    def __init__(self, fleet: Fleet, run: str, start: datetime) -> None:
        self._run = run
        self._start_us = round((start - _EPOCH).total_seconds() * 1e6)
        self._late_us = round(fleet.faults.late_by * 1e6)
        self._names = fleet.names()
        self._keys = [name.encode() for name in self._names]
        self._locations = fleet.locations()
        self._types = fleet.types
        self._units = [fleet.catalog.unit(name) for name in fleet.types]
        self._models = [f"MODEL_{1 + number:02d}" for number in range(_SENSOR_MODELS)]
        # Every battery starts somewhere and loses a percent an hour until it is changed at 20 %.
        levels = _BATTERY_MAXIMUM - _BATTERY_MINIMUM + 1
        self._battery_start = np.random.default_rng(fleet.seed).integers(levels, size=fleet.size)
        self._battery_levels = levels

    def make(self, readings: Readings) -> list[Message]:
        """The messages of the readings, in order. Dropped readings have theirs too: who sends leaves them out."""
        stamps_us = self._start_us + np.round(readings.due * 1e6).astype(np.int64)
        stamps_us = stamps_us - np.where(readings.fault == Fault.LATE, self._late_us, 0)
        stamps = np.datetime_as_string(stamps_us.astype("datetime64[us]"), timezone="UTC").tolist()
        ids = event_ids.encode(self._run, readings.sequence, readings.sensor)
        used = (readings.due // 3600).astype(np.int64)
        charge = (self._battery_start[readings.sensor] - used) % self._battery_levels
        battery = (_BATTERY_MINIMUM + charge).tolist()
        messages = []
        # tolist() once an array: Python's own numbers are made and read faster than NumPy's one by one.
        for stamp, event_id, level, sensor, sequence, kind, value, anomaly, fault, malformation in zip(
            stamps,
            ids,
            battery,
            readings.sensor.tolist(),
            readings.sequence.tolist(),
            readings.type.tolist(),
            readings.value.tolist(),
            readings.anomaly.tolist(),
            readings.fault.tolist(),
            readings.malformation.tolist(),
            strict=True,
        ):
            payload = events.encode(
                events.SensorReading(
                    event_id=event_id,
                    run=self._run,
                    sequence=sequence,
                    timestamp=stamp,
                    sensor_id=self._names[sensor],
                    sensor_type=self._types[kind],
                    value=value,
                    unit=self._units[kind],
                    location=self._locations[sensor],
                    status="anomaly" if anomaly else "normal",
                    metadata={"sensor_model": self._models[sensor % _SENSOR_MODELS], "battery_level": level},
                )
            )
            if fault == Fault.MALFORMED:
                payload = MALFORMATIONS[malformation](payload)
            messages.append(Message(self._keys[sensor], payload, sensor, sequence, kind, anomaly, fault))
        return messages

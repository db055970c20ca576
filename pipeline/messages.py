"""Readings as Kafka messages: arrays in, JSON out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline import event_ids
from pipeline.events import encode_value
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
        names = fleet.names()
        self._keys = [name.encode() for name in names]
        # The parts of a reading's JSON that only a few readings differ in; tests hold them to what events.encode gives.
        self._before_sequence = b'","run":%b,"sequence":' % encode_value(run)
        self._of_sensor = [b'","sensor_id":%b,"sensor_type":' % encode_value(name) for name in names]
        self._of_type = [b'%b,"value":' % encode_value(name) for name in fleet.types]
        self._of_unit = [b',"unit":%b,"location":' % encode_value(fleet.catalog.unit(name)) for name in fleet.types]
        self._of_place = [encode_value(place) for place in fleet.locations()]
        self._of_label = [b',"status":"%b","metadata":{"sensor_model":' % label for label in (b"normal", b"anomaly")]
        models = [f"MODEL_{1 + number:02d}" for number in range(_SENSOR_MODELS)]
        self._of_model = [b'%b,"battery_level":' % encode_value(model) for model in models]
        self._levels = [b"%d}}" % level for level in range(_BATTERY_MAXIMUM + 1)]
        # Every battery starts somewhere and loses a percent an hour until it is changed at 20 %.
        levels = _BATTERY_MAXIMUM - _BATTERY_MINIMUM + 1
        self._battery_start = np.random.default_rng(fleet.seed).integers(levels, size=fleet.size)
        self._battery_levels = levels

    def make(self, readings: Readings) -> list[Message]:
        """The messages of the readings, in order. Dropped readings have theirs too: who sends leaves them out."""
        if not len(readings):
            return []
        stamps_us = self._start_us + np.round(readings.due * 1e6).astype(np.int64)
        stamps_us = stamps_us - np.where(readings.fault == Fault.LATE, self._late_us, 0)
        stamps = _timestamps(stamps_us)
        ids = event_ids.encode_ascii(self._run, readings.sequence, readings.sensor)
        used = (readings.due // 3600).astype(np.int64)
        charge = (self._battery_start[readings.sensor] - used) % self._battery_levels
        battery = (_BATTERY_MINIMUM + charge).tolist()
        # tolist() once an array: Python's own numbers are made and read faster than NumPy's one by one.
        sensors, sequences, kinds = readings.sensor.tolist(), readings.sequence.tolist(), readings.type.tolist()
        values, anomalies = readings.value.tolist(), readings.anomaly.tolist()
        payloads = [
            b"".join(
                (
                    b'{"schema_version":1,"event_id":"',
                    event_id,
                    self._before_sequence,
                    sequence,
                    b',"timestamp":"',
                    stamp,
                    self._of_sensor[sensor],
                    self._of_type[kind],
                    value,
                    self._of_unit[kind],
                    self._of_place[sensor],
                    self._of_label[anomaly],
                    self._of_model[sensor % _SENSOR_MODELS],
                    self._levels[level],
                )
            )
            for event_id, sequence, stamp, sensor, kind, value, anomaly, level in zip(
                ids, _numbers(sequences), stamps, sensors, kinds, _numbers(values), anomalies, battery, strict=True
            )
        ]
        faults = readings.fault.tolist()
        for number in np.flatnonzero(readings.fault == Fault.MALFORMED):
            payloads[number] = MALFORMATIONS[int(readings.malformation[number])](payloads[number])
        keys = [self._keys[sensor] for sensor in sensors]
        parts = zip(keys, payloads, sensors, sequences, kinds, anomalies, faults, strict=True)
        return [Message(*one) for one in parts]


def _timestamps(stamps_us: npt.NDArray[np.int64]) -> list[bytes]:
    """Microseconds since 1970 as ISO 8601 in UTC. Seconds, of which there are few, are put in words by NumPy."""
    seconds, places = np.unique(stamps_us // 1_000_000, return_inverse=True)
    heads = np.datetime_as_string(seconds.astype("datetime64[s]")).astype("S19").view(np.uint8).reshape(-1, 19)
    text = np.full((len(stamps_us), 27), ord("Z"), dtype=np.uint8)
    text[:, :19], text[:, 19] = heads[places], ord(".")
    rest = stamps_us % 1_000_000
    for place in range(25, 19, -1):
        text[:, place] = ord("0") + rest % 10
        rest = rest // 10
    found: list[bytes] = text.view("S27").ravel().tolist()
    return found


def _numbers(values: list[int] | list[float]) -> list[bytes]:
    """The JSON of each number, all made at once."""
    return encode_value(values)[1:-1].split(b",")

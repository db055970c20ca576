"""What a run had acknowledged against what is stored of it: which readings are missing, and which are extra."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.ledger import SENSOR_LIMIT, SEQUENCE_LIMIT, RunRecord, SensorSequence, SequenceRange, to_ranges

Integers = npt.NDArray[np.int64]

_SEQUENCE_BITS = SEQUENCE_LIMIT.bit_length() - 1


@dataclass(frozen=True)
class SensorDifference:
    """A sensor whose readings differ: how many are `missing` (and their sequences as ranges), how many `extra`."""

    sensor: int
    missing: int
    missing_ranges: list[SequenceRange]
    extra: int


class ReadingsCheck:
    """Takes the stored readings of a run, in any order and each once, and tells what differs from its ledger.

    Memory: a byte for each reading that was acknowledged.
    """

    def __init__(self, record: RunRecord) -> None:
        ranges = [(sensor, *one) for sensor, those in sorted(record.ranges.items()) for one in those]
        table = np.array(ranges, dtype=np.int64).reshape(-1, 3)
        self._first = table[:, 0] << _SEQUENCE_BITS | table[:, 1]
        self._last = table[:, 0] << _SEQUENCE_BITS | table[:, 2]
        self._sensors = table[:, 0]
        self._begins = np.concatenate([[0], np.cumsum(table[:, 2] - table[:, 1] + 1)])
        self._found = np.zeros(self._begins[-1], dtype=np.bool_)
        self._late = _keys(record.late)
        self._malformed = _keys(record.malformed)
        self._extra: Counter[int] = Counter()
        self.stored = 0
        self.repaired = 0
        # Milliseconds since 1970; None until a reading that was not made late is there.
        self.first_instant: int | None = None
        self.last_instant: int | None = None

    def add(self, sequences: Integers, sensors: Integers, instants: Integers) -> None:
        """Take stored readings: their sequences, their sensors' numbers, and their timestamps in ms since 1970."""
        self.stored += len(sequences)
        # Who numbers its sensors higher than a ledger can was not this producer.
        possible = (sequences < SEQUENCE_LIMIT) & (sensors < SENSOR_LIMIT)
        keys = np.where(possible, sensors << _SEQUENCE_BITS | sequences, -1)
        at = np.searchsorted(self._first, keys, side="right") - 1
        known = at >= 0
        known[known] = keys[known] <= self._last[at[known]]
        at = at[known]
        self._found[self._begins[at] + keys[known] - self._first[at]] = True
        for sensor in sensors[~known].tolist():
            self._extra[sensor] += 1
        self.repaired += int(np.isin(keys[~known], self._malformed).sum())
        self._span(instants[~np.isin(keys, self._late)])

    def _span(self, instants: Integers) -> None:
        if len(instants):
            first, last = int(instants.min()), int(instants.max())
            self.first_instant = first if self.first_instant is None else min(first, self.first_instant)
            self.last_instant = last if self.last_instant is None else max(last, self.last_instant)

    @property
    def missing(self) -> int:
        """How many readings were acknowledged and are not stored."""
        return len(self._found) - int(self._found.sum())

    @property
    def extra(self) -> int:
        """How many are stored that were not acknowledged as readings."""
        return self._extra.total()

    def differences(self, limit: int) -> tuple[list[SensorDifference], int]:
        """The first `limit` sensors whose readings differ, and how many there are."""
        at = np.searchsorted(self._begins, np.flatnonzero(~self._found), side="right") - 1
        sensors, counts = np.unique(self._sensors[at], return_counts=True)
        missing = dict(zip(sensors.tolist(), counts.tolist(), strict=True))
        differing = sorted(missing.keys() | self._extra.keys())
        shown = [
            SensorDifference(sensor, missing.get(sensor, 0), self._missing_of(sensor), self._extra[sensor])
            for sensor in differing[:limit]
        ]
        return shown, len(differing)

    def _missing_of(self, sensor: int) -> list[SequenceRange]:
        begin, end = np.searchsorted(self._sensors, [sensor, sensor + 1])
        positions = self._begins[begin] + np.flatnonzero(~self._found[self._begins[begin] : self._begins[end]])
        at = np.searchsorted(self._begins, positions, side="right") - 1
        return to_ranges((positions - self._begins[at] + (self._first[at] & SEQUENCE_LIMIT - 1)).tolist())


def _keys(places: set[SensorSequence] | dict[SensorSequence, tuple[int, int]]) -> Integers:
    pairs = np.array(sorted(places), dtype=np.int64).reshape(-1, 2)
    keys: Integers = pairs[:, 0] << _SEQUENCE_BITS | pairs[:, 1]
    return keys

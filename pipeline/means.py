"""The mean value of each sensor type and of each sensor, accumulated: sums and counts are kept, not readings."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.events import SensorReading

# Values wait in lists until they are worth a summation; the bound keeps memory flat.
_MOST_WAITING = 50_000
# Sums are kept divided by 2⁶⁴, which is exact and leaves room for 2⁶⁴ of the largest floats. Only values below
# 1e-289 lose digits.
_SCALE = 2.0**-64


@dataclass(frozen=True)
class Mean:
    """The mean of `count` values."""

    mean: float
    count: int


class _Sum:
    """A sum that is right to the last digit, however many values it takes and however they cancel out.

    `high` is the float nearest to the sum, `low` what it leaves over; math.fsum adds without any rounding in between
    (Shewchuk 1997, "Adaptive Precision Floating-Point Arithmetic"). That costs less than Python's own addition one
    value at a time, as the values of a batch are summed in C.
    """

    __slots__ = ("count", "high", "low")

    def __init__(self) -> None:
        self.high = self.low = 0.0
        self.count = 0

    def add(self, values: list[float]) -> None:
        parts = [value * _SCALE for value in values]
        parts += (self.high, self.low)
        self.high = math.fsum(parts)
        self.low = math.fsum((*parts, -self.high))
        self.count += len(values)

    def mean(self) -> Mean:
        # Rounding may reach beyond the largest float, where the mean cannot lie.
        mean = self.high / self.count / _SCALE
        return Mean(max(-sys.float_info.max, min(mean, sys.float_info.max)), self.count)


class Means:
    """Means by sensor type and by sensor, of all readings since the start or the last `clear`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start afresh."""
        self._by_type: dict[str, _Sum] = {}
        self._by_sensor: dict[str, _Sum] = {}
        self._waiting_by_type: defaultdict[str, list[float]] = defaultdict(list)
        self._waiting_by_sensor: defaultdict[str, list[float]] = defaultdict(list)
        self._waiting = 0
        self._settled = 0

    @property
    def records(self) -> int:
        """How many readings were taken."""
        return self._settled + self._waiting

    def add(self, readings: Iterable[SensorReading]) -> None:
        """Take the readings of a batch."""
        by_type, by_sensor, count = self._waiting_by_type, self._waiting_by_sensor, 0
        for reading in readings:
            value = reading.value
            by_type[reading.sensor_type].append(value)
            by_sensor[reading.sensor_id].append(value)
            count += 1
        self._waiting += count
        if self._waiting > _MOST_WAITING:
            self._settle()

    def by_type(self) -> dict[str, Mean]:
        """The means of the sensor types, sorted by name."""
        self._settle()
        return _sorted(self._by_type)

    def by_sensor(self) -> dict[str, Mean]:
        """The means of the sensors, sorted by name."""
        self._settle()
        return _sorted(self._by_sensor)

    def _settle(self) -> None:
        for waiting, sums in (
            (self._waiting_by_type, self._by_type),
            (self._waiting_by_sensor, self._by_sensor),
        ):
            for name, values in waiting.items():
                sums.setdefault(name, _Sum()).add(values)
            waiting.clear()
        self._settled += self._waiting
        self._waiting = 0


def _sorted(sums: Mapping[str, _Sum]) -> dict[str, Mean]:
    return {name: sums[name].mean() for name in sorted(sums)}

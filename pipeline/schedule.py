"""When readings are due: an absolute timetable, in blocks of arrays.

Sensor i sends at phase[i] + k·period[i]. A change of the fleet's rate does not touch that timetable: it makes the
fleet's own time run faster or slower, so that nothing is skipped or sent twice at the change and nothing drifts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LONGEST_BLOCK_SECONDS = 10.0
SHORTEST_BLOCK_SECONDS = 0.02
READINGS_PER_BLOCK = 2000


@dataclass(frozen=True)
class Stage:
    """From `since` (seconds after the start) the fleet sends `rate` messages a second."""

    since: float
    rate: float


def stages(changes: Sequence[tuple[float, float | None]]) -> list[Stage]:
    """Stages from pairs of rate and second (None: from the start); raises ValueError with what would be right."""
    result: list[Stage] = []
    for rate, since in changes:
        if not result:
            if since is not None or rate == 0:
                raise ValueError("the first rate stands alone and is above 0, such as 1000")
            result.append(Stage(0.0, rate))
        elif since is None:
            raise ValueError(f"say when {rate:g} begins: write a later rate as RATE@SECOND, such as {rate:g}@60")
        elif since <= result[-1].since:
            raise ValueError(f"{rate:g}@{since:g} does not come after the rate before it; order them by their seconds")
        else:
            result.append(Stage(since, rate))
    return result


class Pace:
    """The fleet's own time as a piecewise linear function of the seconds since the start.

    It runs at 1 in the first stage, and in proportion to the rate in the others.
    """

    def __init__(self, stages: Sequence[Stage] = (Stage(0.0, 1.0),)) -> None:
        self._since = np.array([stage.since for stage in stages])
        self._slope = np.array([stage.rate for stage in stages]) / stages[0].rate
        passed = np.diff(self._since) * self._slope[:-1]
        self._fleet = np.concatenate(([0.0], np.cumsum(passed)))
        self.fastest = float(self._slope.max())

    @property
    def end(self) -> float:
        """Seconds after the start from which nothing is due any more."""
        return float(self._since[-1]) if self._slope[-1] == 0 else math.inf

    def fleet_time(self, seconds: float) -> float:
        """Fleet time at `seconds` after the start."""
        stage = int(np.searchsorted(self._since, seconds, side="right")) - 1
        return float(self._fleet[stage] + (seconds - self._since[stage]) * self._slope[stage])

    def seconds(self, fleet_time: Floats) -> Floats:
        """Seconds after the start at which the fleet's time is reached; during a rate of 0 it stands still."""
        stage = np.searchsorted(self._fleet, fleet_time, side="right") - 1
        slope = self._slope[stage]
        # Behind a last rate of 0 nothing is due any more.
        with np.errstate(divide="ignore", invalid="ignore"):
            later = np.where(fleet_time > self._fleet[stage], (fleet_time - self._fleet[stage]) / slope, 0.0)
        seconds: Floats = self._since[stage] + later
        return seconds


@dataclass(frozen=True)
class Block:
    """The readings due in one stretch of time, sensor by sensor, each sensor's in order.

    `sensor`, `sequence` and `due` (seconds after the start) have one element a reading; `rank` counts each sensor's
    readings of this block from 0.
    """

    number: int
    sensor: Ints
    sequence: Ints
    rank: Ints
    due: Floats


@dataclass(frozen=True)
class Schedule:
    """The timetable of a fleet: each sensor's `phase` and `period` in seconds of fleet time."""

    phase: Floats
    period: Floats
    pace: Pace = field(default_factory=Pace)

    @property
    def fastest_rate(self) -> float:
        """Messages a second in the fastest stage."""
        return float((1 / self.period).sum()) * self.pace.fastest

    def mean_rate(self, since: float, until: float) -> float:
        """Messages a second that the timetable asks for between two moments (seconds after the start)."""
        passed = self.pace.fleet_time(until) - self.pace.fleet_time(since)
        return float((1 / self.period).sum()) * passed / (until - since)

    @property
    def block_seconds(self) -> float:
        """The length of a block: a function of the fleet alone, since what is drawn depends on it."""
        wanted = max(READINGS_PER_BLOCK, len(self.phase) / 10)
        return min(max(wanted / self.fastest_rate, SHORTEST_BLOCK_SECONDS), LONGEST_BLOCK_SECONDS)

    def due_before(self, seconds: float) -> Ints:
        """How many readings of each sensor are due before `seconds` after the start."""
        passed = self.pace.fleet_time(seconds) - self.phase
        return np.maximum(np.ceil(passed / self.period), 0).astype(np.int64)

    def blocks(self) -> Iterator[Block]:
        """The whole timetable, block by block; it has an end where the last rate is 0."""
        number = 0
        begin = self.due_before(0.0)
        while number * self.block_seconds <= self.pace.end:
            end = self.due_before((number + 1) * self.block_seconds)
            counts = end - begin
            sensor = np.repeat(np.arange(len(counts)), counts)
            rank = np.arange(len(sensor)) - np.repeat(np.cumsum(counts) - counts, counts)
            sequence = begin[sensor] + rank
            due = self.pace.seconds(self.phase[sensor] + sequence * self.period[sensor])
            yield Block(number, sensor, sequence, rank, due)
            number, begin = number + 1, end

"""The simulated sensors: what each one is, and the readings they make, drawn in arrays.

With one seed the values and labels are the same at every run, whatever the number of processes: every block of the
timetable has a random generator of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline import distributions
from pipeline.catalog import Catalog, SensorType
from pipeline.faults import FaultRates
from pipeline.quota import Quota
from pipeline.schedule import Block, Schedule

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NOISE = 0.1
DAY_SECONDS = 86_400.0
# What the seed is spent on: the sensors themselves, and each block of readings.
_SENSOR_DRAWS, _BLOCK_DRAWS = 0, 1


@dataclass(frozen=True)
class Group:
    """Sensors that are alike.

    `types` is shared out by sensor number or, with `type_per_message`, drawn anew for each reading; `locations` is
    shared out by sensor number. Without a `distribution` the values are those of the type's normal range and
    `anomaly_rate` of them leave it; with one they have `mean` and `std` (one element a sensor).
    """

    size: int
    types: tuple[str, ...]
    locations: tuple[str, ...]
    type_per_message: bool = False
    distribution: tuple[str, ...] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    anomaly_rate: float = 0.0


@dataclass(frozen=True)
class Readings:
    """Readings as arrays, in the order in which they are due; every array has one element a reading.

    `due` counts seconds from the start, `type` is an index into `Fleet.types`, `fault` holds `Fault` values and
    `malformation` says how a malformed message is broken.
    """

    due: Floats
    sensor: Ints
    sequence: Ints
    type: Ints
    value: Floats
    anomaly: npt.NDArray[np.bool_]
    fault: npt.NDArray[np.int8]
    malformation: Ints

    def __len__(self) -> int:
        return len(self.due)

    def select(self, chosen: slice | npt.NDArray[np.bool_] | Ints) -> Readings:
        """Some of the readings."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


class _TypeTable:
    """The figures of the fleet's sensor types as arrays, for look-ups by type index."""

    def __init__(self, types: Sequence[SensorType]) -> None:
        self.minimum = np.array([t.minimum for t in types])
        self.maximum = np.array([t.maximum for t in types])
        self.low = np.array([t.normal_minimum for t in types])
        self.high = np.array([t.normal_maximum for t in types])
        self.integer = np.array([t.integer for t in types])
        self.daily = np.array([t.daily for t in types])
        # An anomaly lies in the outer half of the gap between the normal range and what the sensor can measure.
        self.low_gap = self.low > self.minimum
        self.high_gap = self.high < self.maximum
        self.low_limit = self.low - (self.low - self.minimum) / 2
        self.high_limit = self.high + (self.maximum - self.high) / 2


@dataclass(frozen=True)
class Fleet:
    """Sensors and their timetable. `day_start` is the hour of the day (0 to 24) at which the run begins."""

    groups: tuple[Group, ...]
    schedule: Schedule
    catalog: Catalog
    seed: int
    day_start: float = 0.0
    faults: FaultRates = field(default_factory=FaultRates)

    @property
    def size(self) -> int:
        """How many sensors there are."""
        return sum(group.size for group in self.groups)

    @property
    def types(self) -> tuple[str, ...]:
        """The names of all types that occur, in a fixed order."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group.types))

    def names(self) -> list[str]:
        """The sensors' names by number, padded to the digits of the fleet's size."""
        width = len(str(self.size))
        return [f"sensor_{number:0{width}d}" for number in range(self.size)]

    def locations(self) -> list[str]:
        """The sensors' locations by number."""
        return [place for group in self.groups for place in _locations(group)]

    def readings(self) -> Iterator[Readings]:
        """All readings, block by block, as long as the timetable has any."""
        return _Draws(self).blocks()


def _locations(group: Group) -> list[str]:
    # Types change with every sensor, places once all types had their turn, so that every type is in every place.
    turn = 1 if group.type_per_message else len(group.types)
    return [group.locations[number // turn % len(group.locations)] for number in range(group.size)]


class _Draws:
    """The state of one pass over a fleet's readings."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.index = {name: number for number, name in enumerate(fleet.types)}
        unknown = SensorType("", "", 0, 0, 0, 0)
        self.table = _TypeTable([fleet.catalog.types.get(name, unknown) for name in fleet.types])
        rng = self._rng(_SENSOR_DRAWS)
        # Each simulated sensor has a level of its own and drifts around it over 10 to 60 minutes.
        self.level = rng.uniform(-0.12, 0.12, fleet.size)
        self.drift_period = rng.uniform(600.0, 3600.0, fleet.size)
        self.drift_phase = rng.uniform(0.0, 1.0, fleet.size)
        self.walk = distributions.RandomWalk(fleet.size)
        self.anomalies = [Quota(group.anomaly_rate) for group in fleet.groups]
        self.faults = fleet.faults.picker()

    def _rng(self, *use: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.fleet.seed, spawn_key=use))

    def blocks(self) -> Iterator[Readings]:
        for block in self.fleet.schedule.blocks():
            if len(block.due):
                yield self._draw(block)

    def _draw(self, block: Block) -> Readings:
        rng = self._rng(_BLOCK_DRAWS, block.number)
        count = len(block.due)
        kinds = np.empty(count, dtype=np.int64)
        values = np.empty(count)
        anomaly = np.zeros(count, dtype=bool)
        first = 0
        for number, group in enumerate(self.fleet.groups):
            begin, end = np.searchsorted(block.sensor, [first, first + group.size])
            here = slice(int(begin), int(end))
            member = block.sensor[here] - first
            kinds[here] = self._types(rng, group, member)
            if group.distribution is None:
                anomaly[here] = self._pick_anomalies(rng, self.anomalies[number], kinds[here])
                values[here] = self._simulated(rng, block, here, kinds[here], anomaly[here])
            else:
                values[here] = self._distributed(rng, block, here, group, member)
            first += group.size
        # Sensor order is kept among readings that are due at one instant.
        order = np.argsort(block.due, kind="stable")
        fault, malformation = self.faults.pick(rng, count)
        return Readings(
            block.due[order],
            block.sensor[order],
            block.sequence[order],
            kinds[order],
            values[order],
            anomaly[order],
            fault,
            malformation,
        )

    def _types(self, rng: np.random.Generator, group: Group, member: Ints) -> Ints:
        known = np.array([self.index[name] for name in group.types])
        turn = rng.integers(len(known), size=len(member)) if group.type_per_message else member % len(known)
        chosen: Ints = known[turn]
        return chosen

    def _distributed(self, rng: np.random.Generator, block: Block, here: slice, group: Group, member: Ints) -> Floats:
        mean, std = np.array(group.mean)[member], np.array(group.std)[member]
        names = group.distribution or ()
        used = np.array([distributions.NAMES.index(name) for name in names])[member]
        values = np.empty(len(member))
        for code in np.unique(used):
            name = distributions.NAMES[code]
            mine = np.flatnonzero(used == code)
            m, s = mean[mine], std[mine]
            sensors = block.sensor[here][mine]
            if name == "sine":
                values[mine] = distributions.sine(block.due[here][mine], sensors, m, s)
            elif name == "random-walk":
                values[mine] = self.walk.draw(rng, sensors, block.rank[here][mine], m, s)
            else:
                values[mine] = distributions.INDEPENDENT[name](rng, m, s)
        return values

    def _pick_anomalies(self, rng: np.random.Generator, quota: Quota, kinds: Ints) -> npt.NDArray[np.bool_]:
        able = np.flatnonzero(self.table.low_gap[kinds] | self.table.high_gap[kinds])
        picked = np.zeros(len(kinds), dtype=bool)
        picked[quota.pick(rng, able)] = True
        return picked

    def _simulated(
        self,
        rng: np.random.Generator,
        block: Block,
        here: slice,
        kinds: Ints,
        anomaly: npt.NDArray[np.bool_],
    ) -> Floats:
        table, sensor, due = self.table, block.sensor[here], block.due[here]
        low, high = table.low[kinds], table.high[kinds]
        hour = (self.fleet.day_start + due / 3600) % 24
        # Coldest at 3, warmest at 15 o'clock.
        day = np.sin((hour - 9) / 24 * 2 * math.pi)
        drift = np.sin((due / self.drift_period[sensor] + self.drift_phase[sensor]) * 2 * math.pi)
        place = 0.5 + self.level[sensor] + np.where(table.daily[kinds], 0.3 * day, 0.2 * drift)
        values = low + (high - low) * place + rng.uniform(-NOISE, NOISE, len(due))
        coin = rng.random(len(due))
        values = np.where(table.integer[kinds], np.floor(low + coin * (high - low + 1)), values)
        normal = np.clip(np.round(values, 2), low, high)

        upward = table.high_gap[kinds] & (~table.low_gap[kinds] | (rng.random(len(due)) < 0.5))
        near = np.where(upward, table.high_limit[kinds], table.minimum[kinds])
        far = np.where(upward, table.maximum[kinds], table.low_limit[kinds])
        outside = near + coin * (far - near)
        outside = np.where(table.integer[kinds], np.round(outside), np.round(outside, 2))
        chosen: Floats = np.where(anomaly, np.clip(outside, near, far), normal)
        return chosen

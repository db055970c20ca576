"""The windows' statistics computed once more, from the stored readings, and compared with the stored windows."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from pipeline import moments
from pipeline.moments import Moments
from pipeline.store_columns import Measurements

UNKNOWN_LOCATION = "unknown"
RELATIVE_TOLERANCE = 1e-9
# Of the largest value: what rounding leaves where a mean or a deviation is zero in truth.
ROUNDING = 1e-12
EXAMPLES = 20
# A reading lies in so many windows at most; more would be no slide that anybody chose.
MOST_WINDOWS_A_READING = 1000

Place = tuple[str, str]
StoredWindow = Mapping[str, Any]


class Kind(StrEnum):
    """How a stored window stands to its stored readings."""

    EQUAL = "equal"
    ABSENT = "not stored"
    LESS = "counts less"
    TWICE = "counts something twice"
    OTHER = "other statistics"


@dataclass(frozen=True)
class WindowShape:
    """A window's length and the distance of two starts, both in milliseconds; starts are multiples of the slide."""

    length: int
    slide: int

    @classmethod
    def of(cls, windows: Iterable[StoredWindow]) -> WindowShape | None:
        """The shape of stored windows, None where there is none; raises ValueError where they have several."""
        lengths: set[int] = set()
        divisor = 0
        for window in windows:
            start = milliseconds(window["window_start"])
            lengths.add(milliseconds(window["window_end"]) - start)
            divisor = math.gcd(divisor, start)
        if not lengths:
            return None
        if len(lengths) > 1:
            told = ", ".join(f"{length / 1000:g} s" for length in sorted(lengths))
            raise ValueError(f"windows of several lengths are stored in this time ({told}): they cannot be compared")
        length = lengths.pop()
        # A reading's windows begin one slide apart, and tumbling ones at multiples of their length.
        slide = min(divisor, length) if divisor else length
        if length < 1 or length > slide * MOST_WINDOWS_A_READING:
            raise ValueError(f"windows of {length / 1000:g} s that begin at no multiple of a slide cannot be compared")
        return cls(length, slide)

    def first_start(self, instant: int) -> int:
        """The start of the first window that an instant lies in (both in ms since 1970)."""
        return ((instant - self.length) // self.slide + 1) * self.slide


@dataclass
class Expected:
    """What the readings of a window say: those in time, and those that were made late on purpose."""

    in_time: Moments = field(default_factory=Moments)
    late: Moments = field(default_factory=Moments)


@dataclass(frozen=True)
class WindowDifference:
    """A window that is not as its readings say; `stored` and `expected` count readings."""

    start: datetime
    sensor_type: str
    location: str
    kind: Kind
    expected: int
    stored: int


@dataclass
class WindowsResult:
    """How many windows there are of each kind; `problem` says why they cannot be compared."""

    kinds: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    lacking: int = 0
    examples: list[WindowDifference] = field(default_factory=list)
    problem: str | None = None

    @property
    def compared(self) -> int:
        """How many windows were compared."""
        return sum(self.kinds.values())

    @property
    def different(self) -> int:
        """How many are not as their readings say."""
        return self.compared - self.kinds[Kind.EQUAL]

    @property
    def agree(self) -> bool:
        """Whether all are as their readings say."""
        return self.problem is None and not self.different


def milliseconds(moment: datetime) -> int:
    """An instant as MongoDB keeps it: whole milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def moment(milliseconds: int) -> datetime:
    """The instant of so many milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def recomputed(
    readings: Iterable[Measurements], shape: WindowShape, since: int, until: int
) -> Iterator[tuple[int, dict[Place, Expected]]]:
    """What windows with since ≤ start < until should say, by start (in ms since 1970) and then by type and location.

    `readings` come by their time; memory holds the windows that are still open.
    """
    open_windows: dict[int, dict[Place, Expected]] = {}
    for part in readings:
        for start, place, late, those in _grouped(part, shape):
            if since <= start < until:
                expected = open_windows.setdefault(start, {}).setdefault(place, Expected())
                if late:
                    expected.late += those
                else:
                    expected.in_time += those
        for start in sorted(start for start in open_windows if start + shape.length <= part.instants[-1]):
            yield start, open_windows.pop(start)
    for start in sorted(open_windows):
        yield start, open_windows[start]


def _grouped(part: Measurements, shape: WindowShape) -> Iterator[tuple[int, Place, bool, Moments]]:
    numbers: dict[tuple[str, str, bool], int] = {}
    locations = (UNKNOWN_LOCATION if one is None else one for one in part.locations)
    kinds = zip(part.sensor_types, locations, part.marked.tolist(), strict=True)
    kind = np.array([numbers.setdefault(one, len(numbers)) for one in kinds], dtype=np.int64)
    names = list(numbers)
    last_starts = part.instants // shape.slide * shape.slide
    for back in range(0, shape.length, shape.slide):
        inside = part.instants < last_starts - back + shape.length
        starts = last_starts[inside] - back
        groups = starts // shape.slide * len(names) + kind[inside]
        order = np.argsort(groups, kind="stable")
        heads, statistics = moments.grouped(groups[order], part.values[inside][order])
        for head, those in zip(order[heads].tolist(), statistics, strict=True):
            sensor_type, location, late = names[kind[inside][head]]
            yield int(starts[head]), (sensor_type, location), late, those


def compare(
    expected: Iterable[tuple[int, dict[Place, Expected]]], stored: Iterable[StoredWindow], result: WindowsResult
) -> None:
    """Add to `result` how the stored windows stand to the expected ones; both come by their start."""
    by_start = groupby(stored, lambda window: milliseconds(window["window_start"]))
    found = ((start, {(one["sensor_type"], one["location"]): one for one in those}) for start, those in by_start)
    sides: Iterator[tuple[int, int, Mapping[Place, Any]]] = heapq.merge(
        ((start, 0, those) for start, those in expected),
        ((start, 1, those) for start, those in found),
        key=itemgetter(0),
    )
    for start, both in groupby(sides, itemgetter(0)):
        parts: list[Mapping[Place, Any]] = [{}, {}]
        for _, side, those in both:
            parts[side] = those
        for place in sorted(parts[0].keys() | parts[1].keys()):
            _judge(start, place, parts[0].get(place, Expected()), parts[1].get(place), result)


def _judge(start: int, place: Place, expected: Expected, stored: StoredWindow | None, result: WindowsResult) -> None:
    if stored is None and not expected.in_time.count:
        # All its readings came late on purpose: nobody expects it.
        return
    kind = kind_of(expected, stored)
    result.kinds[kind] += 1
    if kind == Kind.EQUAL:
        return
    count = stored["count"] if stored else 0
    result.lacking += max(expected.in_time.count - count, 0)
    if len(result.examples) < EXAMPLES:
        bound = expected.in_time.count + (expected.late.count if kind == Kind.TWICE else 0)
        result.examples.append(WindowDifference(moment(start), *place, kind, bound, count))


def kind_of(expected: Expected, stored: StoredWindow | None) -> Kind:
    """How a stored window stands to its readings; it may count those that were made late, or some of them, or none."""
    if stored is None:
        return Kind.ABSENT
    in_time, whole = expected.in_time, expected.in_time + expected.late
    count = stored["count"]
    if count < in_time.count:
        return Kind.LESS
    if count > whole.count:
        return Kind.TWICE
    if count in (in_time.count, whole.count):
        same = _same(in_time if count == in_time.count else whole, stored)
    else:
        # Nobody can say which of the late ones it counts.
        extremes = (
            whole.minimum <= stored["min"] <= in_time.minimum,
            in_time.maximum <= stored["max"] <= whole.maximum,
        )
        same = all(extremes)
    return Kind.EQUAL if same else Kind.OTHER


def _same(true: Moments, stored: StoredWindow) -> bool:
    rounding = ROUNDING * max(abs(true.minimum), abs(true.maximum))
    return (
        stored["min"] == true.minimum
        and stored["max"] == true.maximum
        and math.isclose(stored["avg"], true.mean, rel_tol=RELATIVE_TOLERANCE, abs_tol=rounding)
        and math.isclose(stored["std"], true.deviation, rel_tol=RELATIVE_TOLERANCE, abs_tol=rounding)
    )

"""A sensor's readings over a time: as they are where they are few, put together where they are many; and their figures.

Statistics are made of the same parts that the chart shows, so that a look back over a week reads nothing twice.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any

from pipeline.figures import milliseconds
from pipeline.moments import Moments
from pipeline.sensor_facts import finite

Document = dict[str, Any]

# How many seconds a point may stand for: each goes into a piece of WindowHistory without a remainder.
BINS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
# What a chart of the page's whole width can show.
POINTS = 600
# So many values of a part are kept for the percentiles; a part that has no more of them is kept whole.
SAMPLE = 41
# Silence of more than so many usual intervals is a gap.
GAP_INTERVALS = 5
PERCENTILES = (5, 50, 95)
COLUMNS = ("at", "mean", "low", "high", "count")
# The squares of greater values are no finite numbers.
_LARGEST = 1e150


@dataclass(frozen=True)
class Part:
    """One reading, or those of one bin: the instants of the first and the last, and figures of their values.

    `at` is the bin's beginning, or the reading's instant. `sample` are values of equal weight, sorted.
    """

    at: datetime
    first: datetime
    last: datetime
    moments: Moments
    sample: tuple[float, ...]
    types: frozenset[str]

    @property
    def interval(self) -> float | None:
        """Seconds between two readings; None for a single one."""
        spread = (self.last - self.first).total_seconds()
        return spread / (self.moments.count - 1) if self.moments.count > 1 else None


def bin_seconds(seconds: float) -> int:
    """How many seconds a point stands for, so that so long a time has no more points than can be seen."""
    return next((one for one in BINS if seconds <= POINTS * one), BINS[-1])


def of_reading(reading: Mapping[str, Any]) -> Part | None:
    """A single reading as a part; None where its value is no finite number."""
    at = reading["timestamp"]
    return _part(at, (at, at), [reading["value"]], {reading["sensor_type"]})


def of_bin(found: Mapping[str, Any]) -> Part | None:
    """A bin of store_sensor.bins as a part; None where none of its values is a finite number."""
    return _part(found["at"], (found["first"], found["last"]), found["values"], found["types"])


def _part(at: datetime, ends: tuple[datetime, datetime], values: Sequence[float], types: Iterable[str]) -> Part | None:
    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return None
    count = len(finite)
    mean = math.fsum(one / count for one in finite)
    is_large = max(abs(finite[0]), abs(finite[-1])) > _LARGEST
    squares = math.inf if is_large else math.fsum((one - mean) ** 2 for one in finite)
    step = max(1.0, count / SAMPLE)
    sample = tuple(finite[int((i + 0.5) * step)] for i in range(min(count, SAMPLE)))
    moments = Moments(count, mean, squares, finite[0], finite[-1])
    return Part(at, *ends, moments, sample, frozenset(types))


def usual_interval(parts: Sequence[Part]) -> float | None:
    """The seconds that usually lie between two readings; None where there are not two."""
    within = [one.interval for one in parts if one.interval is not None]
    between = [(after.first - before.last).total_seconds() for before, after in pairwise(parts)]
    found = within or between
    return statistics.median(found) if found else None


def gaps(parts: Sequence[Part], seconds: int | None) -> list[tuple[datetime, datetime]]:
    """Where nothing came for long, from the last reading before to the first after it.

    `seconds` is the length of a bin (None: single readings): a gap within one is not seen, one that is longer always.
    """
    usual = usual_interval(parts)
    if usual is None:
        return []
    least = max(GAP_INTERVALS * usual, seconds or 0)
    return [
        (before.last, after.first)
        for before, after in pairwise(parts)
        if (after.first - before.last).total_seconds() > least
    ]


def figures(parts: Sequence[Part], seconds: int | None) -> Document | None:
    """count, mean, std (of a sample), min, max, p5, p50, p95, rate (readings a second), interval, gaps and longest_gap.

    Seconds where it is a time; None where there are no readings. Percentiles are interpolated linearly between values;
    where a part has more than SAMPLE of them they are near.
    """
    if not parts:
        return None
    moments = sum((one.moments for one in parts), Moments())
    first, last = parts[0].first, max(one.last for one in parts)
    spread = (last - first).total_seconds()
    found = gaps(parts, seconds)
    return {
        "count": moments.count,
        "mean": finite(moments.mean),
        "std": finite(moments.deviation) if moments.count > 1 else None,
        "min": moments.minimum,
        "max": moments.maximum,
        **{f"p{one}": percentile(parts, one / 100) for one in PERCENTILES},
        "rate": (moments.count - 1) / spread if spread > 0 else None,
        "interval": usual_interval(parts),
        "gaps": len(found),
        "longest_gap": max(((until - since).total_seconds() for since, until in found), default=None),
    }


def percentile(parts: Sequence[Part], portion: float) -> float:
    """The value below which that portion (0 to 1) of the parts' values lie; `parts` must not be empty."""
    weighted = sorted((value, one.moments.count / len(one.sample)) for one in parts for value in one.sample)
    ends = list(accumulate(weight for _, weight in weighted))
    target = portion * (ends[-1] - 1) + 0.5
    below = (weighted[0][0], 0.0)
    for (value, weight), end in zip(weighted, ends, strict=True):
        middle = end - weight / 2
        if middle >= target:
            low, start = below
            share = max(0.0, (target - start) / (middle - start))
            # Not low + share * (value - low): the difference of finite numbers may be none.
            return value if low == value else (1 - share) * low + share * value
        below = value, middle
    return below[0]


def columns(parts: Sequence[Part], seconds: int | None) -> Document:
    """What the chart draws: at (milliseconds since 1970), mean, low, high and count; a row of None is a gap."""
    breaks = {since for since, _ in gaps(parts, seconds)}
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for one in parts:
        moments = one.moments
        row: tuple[Any, ...] = (
            milliseconds(one.at),
            *map(_short, (moments.mean, moments.minimum, moments.maximum)),
            moments.count,
        )
        for name, value in zip(COLUMNS, row, strict=True):
            found[name].append(value)
            if one.last in breaks:
                found[name].append(None)
    return found


def _short(value: float) -> float | None:
    """With as many digits as can be told apart on a chart and are worth saving in a table."""
    return finite(float(f"{value:.7g}"))

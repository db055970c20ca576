"""How long readings take on each leg of their way, as counts in classes of time that can be added up.

A class ends at a power of 2^(1/4) milliseconds: 1, 1.19, 1.41, 1.68, 2 and so on, as the native histograms of
Prometheus do (https://prometheus.io/docs/specs/native_histograms/, schema 2). So a percentile is told to within 19 %,
however many batches, partitions and minutes are put together, and every reading counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

# By the number of the class, as text: what MongoDB and JSON take as a name.
Counts = dict[str, int]

# Sensor to broker, broker to the Spark task that has it in hand, from there to MongoDB's acknowledgement; and the sum.
TO_BROKER, TO_SPARK, TO_STORE, IN_ALL = LEGS = ("to_broker", "to_spark", "to_store", "in_all")

CLASSES_PER_DOUBLING = 4
# The last class ends after 12 days; what takes longer counts in it.
LAST = 120
# In milliseconds, both inclusive; a class begins after the end of the one before, and the first one at 0.
ENDS = [2 ** (number / CLASSES_PER_DOUBLING) for number in range(LAST + 1)]
# Two clocks that differ can make an end lie before its beginning.
AHEAD = -1


def class_of(milliseconds: float) -> int:
    """The number of the class that a time belongs to, AHEAD for a negative one."""
    return AHEAD if milliseconds < 0 else min(bisect_left(ENDS, milliseconds), LAST)


def bounds(number: int) -> tuple[float, float]:
    """Where a class begins and ends, milliseconds; what lies ahead is taken for no time at all."""
    if number == AHEAD:
        return 0.0, 0.0
    return (ENDS[number - 1] if number else 0.0), ENDS[number]


def added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings of counts, which may hold mappings of counts themselves, added up."""
    total: dict[str, Any] = {}
    add(total, one)
    add(total, other)
    return total


def add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add such a mapping to one that is changed."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def total(counts: Mapping[str, int]) -> int:
    """How many times were counted."""
    return sum(counts.values())


def quantile(counts: Mapping[str, int], part: float) -> float | None:
    """The time, in seconds, within which that part (0 to 1) of all lie; None without any.

    It lies in the same class as the smallest time for which that is true, and is interpolated there.
    """
    return quantiles(counts, (part,))[0]


def quantiles(counts: Mapping[str, int], parts: Sequence[float]) -> list[float | None]:
    """`quantile` for several parts at once."""
    classes = sorted((int(name), count) for name, count in counts.items() if count)
    up_to = list(accumulate(count for _, count in classes))
    found: list[float | None] = []
    for part in parts:
        if not classes:
            found.append(None)
            continue
        rank = max(part * up_to[-1], 1.0)
        position = bisect_left(up_to, rank)
        number, count = classes[position]
        begin, end = bounds(number)
        found.append((begin + (end - begin) * (1 - (up_to[position] - rank) / count)) / 1000)
    return found


def summary(counts: Mapping[str, int]) -> dict[str, float | int | None]:
    """p50, p95 and p99 in seconds, how many were counted, and the part of them that lies `ahead` (0 to 1)."""
    count = total(counts)
    return {
        **dict(zip(("p50", "p95", "p99"), quantiles(counts, (0.5, 0.95, 0.99)), strict=True)),
        "count": count,
        "ahead": counts.get(str(AHEAD), 0) / count if count else 0.0,
    }

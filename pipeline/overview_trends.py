"""What the first page's figures and its heat map are made of, out of points in time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline import latency
from pipeline.catalog import Catalog

Document = dict[str, Any]
Record = Mapping[str, Any]

# A sparkline has no more points than that: so many can be seen.
SPARK_POINTS = 60
# The newest windows still grow: the rate of what is chosen is that of those before them.
GROWING, RATED = timedelta(seconds=15), timedelta(seconds=60)
# A point that still grows says little with less than this part of the readings that those before it have.
TELLING = 0.1


def sparkline(points: Iterable[Record], since: datetime, until: datetime, width: int) -> list[float]:
    """How many a second there were in each part of a time, by the points' counts; each point stands for `width` s.

    A part that is not over is left out.
    """
    span = (until - since).total_seconds()
    step = max(width, -(-span // (SPARK_POINTS * width)) * width)
    parts = int(span // step)
    sums = [0] * parts
    for point in points:
        number = int((point["at"] - since).total_seconds() // step)
        if 0 <= number < parts:
            sums[number] += point["count"]
    return [float(f"{one / step:.4g}") for one in sums]


def latencies(batches: Iterable[Record]) -> Document:
    """How long 95 % of the readings took at most, from the sensor to MongoDB, seconds: of each batch, and of all.

    `batches` come newest first, `each` has the oldest first; `all` is None where nothing is told.
    """
    counted = [one["latency"][latency.IN_ALL] for one in batches if latency.IN_ALL in one.get("latency", {})]
    together: dict[str, latency.Counts] = {}
    for one in counted:
        latency.add(together, {latency.IN_ALL: one})
    return {
        "each": [latency.summary(one)["p95"] for one in reversed(counted)],
        "all": latency.summary(together.get(latency.IN_ALL, {}))["p95"],
    }


def grown(points: Collection[Record], now: datetime) -> list[Record]:
    """The points without those that have only begun, beside a type's newest one that no longer grows.

    They have sensor_type, at and count.
    """
    settled = {
        one["sensor_type"]: one["count"]
        for one in sorted(points, key=lambda point: point["at"])
        if one["at"] <= now - GROWING
    }
    return [
        one
        for one in points
        if one["at"] <= now - GROWING or one["count"] >= TELLING * settled.get(one["sensor_type"], 0)
    ]


def mean_rate(points: Iterable[Record], since: datetime, until: datetime) -> float:
    """Readings a second over a time."""
    return total(one for one in points if one["at"] < until) / max((until - since).total_seconds(), 1.0)


def total(points: Iterable[Record]) -> int:
    """The sum of the counts."""
    return sum(point["count"] for point in points)


def rate(points: Iterable[Record], now: datetime) -> float | None:
    """Readings a second of the last minute, without the windows that may still grow; None where there are none."""
    until = now - GROWING
    counted = [one for one in points if until - RATED <= one["at"] < until]
    if not counted:
        return None
    begin = min(one["at"] for one in counted)
    end = max(one["at"] + timedelta(seconds=one["window_seconds"]) for one in counted)
    seconds: float = (end - begin).total_seconds()
    return total(counted) / seconds


def cells(points: Iterable[Record], catalog: Catalog) -> Document:
    """The heat map: the points by type and location put together, each type's unit and its normal range.

    `types` and `locations` are in their order, a row each is [type, location, mean, minimum, maximum, count,
    deviation]: how far the mean is from the middle of the normal range, in halves of that range (within ±1 it is
    normal), None for a type without one.
    """
    sums: dict[tuple[str, str], list[float]] = {}
    for point in points:
        key = point["sensor_type"], point["location"]
        before = sums.get(key)
        weighted = point["avg"] * point["count"]
        if before is None:
            sums[key] = [weighted, point["count"], point["min"], point["max"]]
        else:
            before[0] += weighted
            before[1] += point["count"]
            before[2] = min(before[2], point["min"])
            before[3] = max(before[3], point["max"])
    found = {kind for kind, _ in sums}
    types = [*(name for name in catalog.types if name in found), *sorted(found - set(catalog.types))]
    return {
        "types": [{"name": name, "unit": catalog.unit(name) or "", "normal": _normal(catalog, name)} for name in types],
        "locations": sorted({place for _, place in sums}),
        "rows": [_cell(key, one, catalog) for key, one in sorted(sums.items())],
    }


def _normal(catalog: Catalog, name: str) -> list[float] | None:
    kind = catalog.types.get(name)
    return [kind.normal_minimum, kind.normal_maximum] if kind else None


def _cell(key: tuple[str, str], sums: Sequence[float], catalog: Catalog) -> list[Any]:
    mean = sums[0] / sums[1]
    normal = _normal(catalog, key[0])
    deviation = None
    if normal and normal[1] > normal[0]:
        middle, half = (normal[0] + normal[1]) / 2, (normal[1] - normal[0]) / 2
        deviation = round((mean - middle) / half, 2)
    return [*key, mean, sums[2], sums[3], int(sums[1]), deviation]


def split(points: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """The points over time, and those of a type and location."""
    over_time: list[Record] = []
    placed: list[Record] = []
    for point in points:
        (placed if "location" in point else over_time).append(point)
    return over_time, placed

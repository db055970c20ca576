"""A sensor beside the others of its type at its place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline import store_sensor
from pipeline.store import Store

Document = dict[str, Any]

# So many are compared in all; of more, those with the highest, the lowest and the nearest last values are.
PEERS, OF_A_KIND = 30, 10
# How far back is compared, the longest of these for which about so many readings have to be read.
SPANS = (10, 60, 300, 900, 3600, 21_600, 86_400)
READINGS_BUDGET = 10_000


def compare(store: Store, known: Mapping[str, Any], since: datetime, until: datetime, rate: float | None) -> Document:
    """What the sensors measured in the last part of the time that is shown; `rate` is the sensor's readings a second.

    `total` is how many there are, `seconds` how far back is looked. `rows` are those that are compared, by their means,
    the highest first, with sensor, mean, low, high and count; one that sent nothing comes last, with nothing but its
    name. `rank` is the sensor's place among them, from 1, or None.
    """
    sensor_id = known["_id"]
    all_of_them = store_sensor.peers(store, known["sensor_type"], known.get("location"))
    names = nearest(all_of_them, sensor_id, known["value"])
    seconds = span((until - since).total_seconds(), len(names), rate)
    found = store_sensor.compared(store, names, until - timedelta(seconds=seconds), until)
    rows = [_row(name, found.get(name)) for name in names]
    rows.sort(key=lambda one: (one["mean"] is None, -(one["mean"] or 0.0), one["sensor"]))
    means = [one["sensor"] for one in rows if one["mean"] is not None]
    return {
        "total": len(all_of_them),
        "at_limit": len(all_of_them) == store_sensor.PEERS_LIMIT,
        "seconds": seconds,
        "rows": rows,
        "rank": means.index(sensor_id) + 1 if sensor_id in means else None,
    }


def nearest(last: Sequence[Mapping[str, Any]], sensor_id: str, value: float) -> list[str]:
    """Which sensors to compare, by the last reading of each: all, or the extremes and those near a sensor's `value`."""
    others = {one["_id"]: one["value"] for one in last if one["_id"] != sensor_id}
    if len(others) < PEERS:
        return [sensor_id, *others]
    ranked = sorted(others, key=lambda name: (others[name], name))
    ends = [*ranked[:OF_A_KIND], *ranked[-OF_A_KIND:]]
    near = sorted(set(ranked) - set(ends), key=lambda name: (abs(others[name] - value), name))
    return [sensor_id, *ends, *near[: PEERS - 1 - len(ends)]]


def span(seconds: float, sensors: int, rate: float | None) -> float:
    """How many seconds back to look, at most `seconds`, when each of so many sensors sends `rate` readings a second."""
    budget = READINGS_BUDGET / (sensors * (rate or 1.0))
    return min(seconds, max((one for one in SPANS if one <= budget), default=SPANS[0]))


def _row(name: str, found: Mapping[str, Any] | None) -> Document:
    figures = [found[one] for one in ("avg", "min", "max")] if found else []
    if not found or not all(map(math.isfinite, figures)):
        return {"sensor": name, "mean": None, "low": None, "high": None, "count": 0}
    mean, low, high = figures
    return {"sensor": name, "mean": mean, "low": low, "high": high, "count": found["count"]}

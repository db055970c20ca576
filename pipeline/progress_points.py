"""The batches of a streaming query, as pipeline_progress keeps them, put together by time for charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline import latency

Record = Mapping[str, Any]
Point = dict[str, Any]

_SUMS = ("rows", "late", "duplicates", "refused", "stored", "known", "alerts")
_LARGEST = ("batch_seconds", "lag", "state_rows", "state_bytes", "trigger_seconds")


def points(batches: Iterable[Record], bin_seconds: int) -> list[Point]:
    """One point for each query and bin of time in which a batch began, in the order of time.

    A point has `query`, `at` (the bin's beginning, a multiple of `bin_seconds` since 1970), `batches` (how many), and

    - sums of `rows`, `late`, `duplicates`, `refused`, `stored`, `known` and `alerts`, of `latency` and of
      `refused_by_code`;
    - `busy_seconds`, the time that the batches stood for: each its own, and at least what lies between two;
    - the largest `batch_seconds`, `lag`, `state_rows`, `state_bytes` and `trigger_seconds`, of each partition the
      largest of `lag_by_partition`, and `behind`, how many seconds the watermark lay before the batch's beginning;
      None for what no batch told.

    Signs of life, which tell no rows, and batches in real time, which last longer than a bin, are left out.
    """
    found: dict[tuple[datetime, str], Point] = {}
    for batch in batches:
        if batch.get("rows") is None or batch.get("mode") == "real-time":
            continue
        seconds = int(batch["at"].timestamp()) // bin_seconds * bin_seconds
        at = datetime.fromtimestamp(seconds, UTC)
        point = found.setdefault((at, batch["query"]), _empty(batch["query"], at))
        _add(point, batch)
    return [found[key] for key in sorted(found)]


def _empty(query: str, at: datetime) -> Point:
    return {
        "query": query,
        "at": at,
        "batches": 0,
        "busy_seconds": 0.0,
        **dict.fromkeys(_SUMS, 0),
        **dict.fromkeys((*_LARGEST, "behind")),
        "lag_by_partition": {},
        "refused_by_code": {},
        "latency": {},
    }


def _add(point: Point, batch: Record) -> None:
    point["batches"] += 1
    point["busy_seconds"] += max(batch.get("batch_seconds") or 0.0, batch.get("trigger_seconds") or 0.0)
    for name in _SUMS:
        point[name] += batch.get(name) or 0
    for name in _LARGEST:
        point[name] = _larger(point[name], batch.get(name))
    if "watermark" in batch:
        point["behind"] = _larger(point["behind"], (batch["at"] - batch["watermark"]).total_seconds())
    lags = point["lag_by_partition"]
    for number, lag in (batch.get("lag_by_partition") or {}).items():
        lags[number] = _larger(lags.get(number), lag)
    for name in ("refused_by_code", "latency"):
        if batch.get(name):
            point[name] = latency.added(point[name], batch[name])


def _larger(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def rate(point: Record, bin_seconds: int, name: str = "rows") -> float:
    """How many rows a second (or what else is named): over the bin, or over its batches where they take longer."""
    seconds = max(bin_seconds, point["busy_seconds"])
    return float(point[name]) / seconds


def legs(found: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """What latency.summary tells of each leg, over all points."""
    together: dict[str, Any] = {}
    for point in found:
        if point["latency"]:
            together = latency.added(together, point["latency"])
    return {name: latency.summary(together.get(name, {})) for name in latency.LEGS}

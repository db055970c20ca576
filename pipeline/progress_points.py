"""The batches of a streaming query, as pipeline_progress keeps them, put together by time for charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any

from pipeline import figures, latency

Record = Mapping[str, Any]
Point = dict[str, Any]

_SUMS = ("rows", "late", "duplicates", "refused", "stored", "known", "alerts")
_LARGEST = ("batch_seconds", "lag", "state_rows", "state_bytes", "trigger_seconds")
_CHARTED = ("batch_seconds", "behind", "state_rows", "state_bytes")


def points(batches: Iterable[Record], bin_seconds: int) -> list[Point]:
    """One point for each query and bin of time in which a batch began, in the order of time.

    A point has `query`, `at` (the bin's beginning, a multiple of `bin_seconds` since 1970), `batches` (how many), and

    - sums of `rows`, `late`, `duplicates`, `refused`, `stored`, `known` and `alerts`, of `latency` and of
      `refused_by_code`, and `legs`: what latency.summary tells of each;
    - `busy_seconds`, the time that the batches stood for, each its own and at least its trigger, and `covered_seconds`,
      from the beginning of the bin to the end of the last one's;
    - the largest `batch_seconds`, `lag`, `state_rows`, `state_bytes` and `trigger_seconds`, of each partition the
      largest of `waiting_by_partition`, and `behind`, how many seconds the watermark lay before the batch's beginning;
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
    for point in found.values():
        point["legs"] = {name: latency.summary(counts) for name, counts in point["latency"].items()}
    return [found[key] for key in sorted(found)]


def _empty(query: str, at: datetime) -> Point:
    return {
        "query": query,
        "at": at,
        "batches": 0,
        "busy_seconds": 0.0,
        "covered_seconds": 0.0,
        **dict.fromkeys(_SUMS, 0),
        **dict.fromkeys((*_LARGEST, "behind")),
        "waiting_by_partition": {},
        "refused_by_code": {},
        "latency": {},
    }


def _add(point: Point, batch: Record) -> None:
    point["batches"] += 1
    busy = max(batch.get("batch_seconds") or 0.0, batch.get("trigger_seconds") or 0.0)
    point["busy_seconds"] += busy
    ends = (batch["at"] - point["at"]).total_seconds() + busy
    point["covered_seconds"] = max(point["covered_seconds"], ends)
    for name in _SUMS:
        point[name] += batch.get(name) or 0
    for name in _LARGEST:
        point[name] = _larger(point[name], batch.get(name))
    if "watermark" in batch:
        point["behind"] = _larger(point["behind"], (batch["at"] - batch["watermark"]).total_seconds())
    lags = point["waiting_by_partition"]
    for number, lag in (batch.get("waiting_by_partition") or {}).items():
        lags[number] = _larger(lags.get(number), lag)
    for name in ("refused_by_code", "latency"):
        if batch.get(name):
            latency.add(point[name], batch[name])


def _larger(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def rate(point: Record, bin_seconds: float) -> float:
    """How many rows a second: over the bin, or over its batches where they take longer."""
    seconds: float = max(bin_seconds, point["busy_seconds"])
    rows: float = point["rows"]
    return rows / seconds


def legs(found: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """What latency.summary tells of each leg, over all points."""
    together: dict[str, Any] = {}
    for point in found:
        latency.add(together, point["latency"])
    return {name: latency.summary(together.get(name, {})) for name in latency.LEGS}


def columns(found: Sequence[Record], bin_seconds: int) -> dict[str, Any]:
    """The points of one query as columns of a chart: `at` in milliseconds since 1970, and a figure for each of them.

    Where batches are missing, by the bins, the trigger and how long they take, all columns but `at` have a None: a line
    has a gap there. Figures are rounded to what a chart can show.
    """
    rows: list[Record | None] = []
    at: list[int] = []
    for point in found:
        moment = figures.milliseconds(point["at"])
        # A batch that lasts long is no gap.
        due = max(point["trigger_seconds"] or 0, point["batch_seconds"] or 0)
        step = 1000 * max(1.5 * bin_seconds, 2.5 * due)
        if at and moment - at[-1] > step:
            rows.append(None)
            at.append(at[-1] + 1000 * bin_seconds)
        rows.append(point)
        at.append(moment)
    partitions = sorted({number for point in found for number in point["waiting_by_partition"]}, key=int)

    def column(read: Callable[[Record], float | None]) -> list[float | None]:
        return [None if point is None else _short(read(point)) for point in rows]

    return {
        "at": at,
        "rate": column(lambda point: rate(point, _width(point, bin_seconds, is_newest=point is found[-1]))),
        **{name: column(itemgetter(name)) for name in _CHARTED},
        "lags": {number: column(partial(_lag_of, number)) for number in partitions},
        "legs": {
            leg: {name: column(partial(_quantile_of, leg, name)) for name in ("p50", "p95", "p99")}
            for leg in latency.LEGS
            if any(leg in point["legs"] for point in found)
        },
    }


def _width(point: Record, bin_seconds: int, *, is_newest: bool) -> float:
    """Of the newest bin only what is over counts."""
    covered: float = point["covered_seconds"]
    return min(bin_seconds, covered) if is_newest and covered else bin_seconds


def _lag_of(number: str, point: Record) -> float | None:
    lags: Mapping[str, float] = point["waiting_by_partition"]
    return lags.get(number)


def _quantile_of(leg: str, name: str, point: Record) -> float | None:
    summary: Mapping[str, float | None] = point["legs"].get(leg, {})
    return summary.get(name)


def losses(found: Sequence[Record]) -> dict[str, Any]:
    """What did not count over time: `at`, and by reason how many were late or refused, in the order of their number.

    The reasons are `late`, and the codes of refusal.
    """
    at = sorted({point["at"] for point in found})
    together: Counter[tuple[str, datetime]] = Counter()
    for point in found:
        together["late", point["at"]] += point["late"]
        for code, count in point["refused_by_code"].items():
            together[code, point["at"]] += count
    sums: Counter[str] = Counter()
    for (reason, _), count in together.items():
        sums[reason] += count
    by_reason = {reason: [together[reason, moment] for moment in at] for reason, count in sums.most_common() if count}
    return {"at": [figures.milliseconds(moment) for moment in at], "reasons": by_reason}


def _short(value: float | None) -> float | None:
    """Four digits that tell something, all of a whole number."""
    return value if value is None or isinstance(value, int) else float(f"{value:.4g}")

"""A long time range in pieces: what is old is read once and kept, so that a look back over a day costs no more than one
over an hour.

A window may still change after it is over (late readings, a pipeline that catches up), so every piece is read again
now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.clock import Clock

Point = Mapping[str, Any]
Read = Callable[[datetime, datetime], list[dict[str, Any]]]

# How many seconds a point of a chart may stand for; each goes into a piece without a remainder.
BINS = (10, 20, 30, 60, 120, 300, 600, 900, 1800)
PIECE_SECONDS = BINS[-1]
# What a chart of a third of the page's width can show, and the most of any trace.
POINTS, POINTS_LIMIT = 360, 2000
# Windows that ended so long ago seldom change; their pieces are read again after REREAD_SECONDS.
SETTLED_SECONDS = 600.0
REREAD_SECONDS = 120.0


def bin_seconds(seconds: float, points: int = POINTS) -> int:
    """How many seconds a point stands for, so that so long a time has at most that many where BINS allow it."""
    return next((one for one in BINS if seconds <= points * one), BINS[-1])


class WindowHistory:
    """The points of one selection; `read(since, until)` gives those of a part of the time."""

    def __init__(self, read: Read, clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        # Points and the time of reading, by the number of the piece since 1970.
        self._kept: dict[int, tuple[list[dict[str, Any]], float]] = {}

    def points(self, since: datetime, until: datetime, budget: float) -> tuple[list[Point], bool]:
        """The points in [since, until), and whether they are all there.

        The newest are read first. After `budget` seconds the rest is left for the next call, but for one piece, so
        that every call comes further.
        """
        with self._lock:
            began = self._clock.monotonic()
            first, last = _number(since), _number(until)
            settled = _number(until - timedelta(seconds=SETTLED_SECONDS))
            self._kept = {number: piece for number, piece in self._kept.items() if first <= number < settled}
            live = self._read(_start(max(settled, first)), until)
            missing = [number for number in range(min(settled, last) - 1, first - 1, -1) if number not in self._kept]
            old = [number for number, (_, at) in self._kept.items() if began - at >= REREAD_SECONDS]
            # One of those that are there already, the oldest, is read again where none is missing.
            wanted = missing or sorted(old, key=lambda number: self._kept[number][1])[:1]
            for position, number in enumerate(wanted):
                if position and self._clock.monotonic() - began > budget:
                    break
                self._kept[number] = self._read(_start(number), _start(number + 1)), self._clock.monotonic()
            kept = [point for _, (points, _) in sorted(self._kept.items()) for point in points]
            complete = all(number in self._kept for number in range(first, min(settled, last)))
        return [point for point in (*kept, *live) if point["at"] >= since], complete


def _number(moment: datetime) -> int:
    return int(moment.timestamp() // PIECE_SECONDS)


def _start(number: int) -> datetime:
    return datetime.fromtimestamp(number * PIECE_SECONDS, UTC)

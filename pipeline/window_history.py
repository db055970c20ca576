"""Long times in pieces: what is old is read once and kept, so that a look back over a day costs no more than one over
an hour.

A window may still change after it is over (late readings, a pipeline that catches up), so every piece is read again
now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.clock import Clock

Point = Mapping[str, Any]
Read = Callable[[datetime, datetime], list[dict[str, Any]]]

# How many seconds a point of a chart may stand for; each goes into a piece without a remainder.
BINS = (10, 20, 30, 60, 120, 300, 600, 900, 1800)
PIECE_SECONDS = BINS[-1]
# What a chart of a third of the page's width can show, one that has all of it, and the most of any trace.
POINTS, WIDE_POINTS, POINTS_LIMIT = 360, 1500, 2000
# Pieces that are no longer than this go with shorter bins, so that less has to be read anew.
SHORT_PIECE_SECONDS, SHORT_BIN_SECONDS = 300, 60
# Windows that ended so long ago seldom change; their pieces are read again after REREAD_SECONDS.
SETTLED_SECONDS = 600.0
REREAD_SECONDS = 120.0
# What nobody asked for during so long a time is forgotten.
KEPT_SECONDS = 300.0
# For so long a time pieces are read at once, and of so many questions they are kept.
BUDGET_SECONDS, HISTORIES = 1.5, 24


def bin_seconds(seconds: float, points: int = POINTS) -> int:
    """How many seconds a point stands for, so that so long a time has at most that many where BINS allow it."""
    return next((one for one in BINS if seconds <= points * one), BINS[-1])


def piece_seconds(width: int) -> int:
    """How long the pieces are for points that stand for `width` seconds."""
    return SHORT_PIECE_SECONDS if width <= SHORT_BIN_SECONDS else PIECE_SECONDS


@dataclass
class _Piece:
    """Its points, when they were read, and when they were asked for last."""

    points: list[dict[str, Any]]
    read_at: float
    used_at: float


class WindowHistory:
    """The points of one question; `read(since, until)` gives those of a part of the time.

    Pieces are `piece` seconds long, and begin at multiples of that since 1970.
    """

    def __init__(self, read: Read, clock: Clock, piece: int = PIECE_SECONDS) -> None:
        self._read, self._clock, self._piece = read, clock, piece
        self._lock = threading.Lock()
        # By the number of the piece since 1970.
        self._kept: dict[int, _Piece] = {}

    def points(
        self, since: datetime, until: datetime, budget: float, now: datetime | None = None
    ) -> tuple[list[Point], bool]:
        """The points in [since, until), and whether they are all there; without `now` it is `until`.

        The newest are read first. After `budget` seconds the rest is left for the next call, but for one piece, so
        that every call comes further.
        """
        with self._lock:
            began = self._clock.monotonic()
            first, last = self._number(since), self._number(until)
            settled = self._number((now or until) - timedelta(seconds=SETTLED_SECONDS))
            whole = range(first, max(first, min(settled, last)))
            live = self._read(self._start(whole.stop), until) if self._start(whole.stop) < until else []
            self._kept = {n: one for n, one in self._kept.items() if began - one.used_at < KEPT_SECONDS}
            there = [number for number in whole if number in self._kept]
            for number in there:
                self._kept[number].used_at = began
            missing = [number for number in reversed(whole) if number not in self._kept]
            old = [number for number in there if began - self._kept[number].read_at >= REREAD_SECONDS]
            # One of those that are there already, the oldest, is read again where none is missing.
            wanted = missing or sorted(old, key=lambda number: self._kept[number].read_at)[:1]
            for position, number in enumerate(wanted):
                if position and self._clock.monotonic() - began > budget:
                    break
                found = self._read(self._start(number), self._start(number + 1))
                at = self._clock.monotonic()
                self._kept[number] = _Piece(found, at, at)
            kept = [point for number in whole if number in self._kept for point in self._kept[number].points]
            complete = all(number in self._kept for number in whole)
        return [point for point in (*kept, *live) if point["at"] >= since], complete

    def _number(self, moment: datetime) -> int:
        return int(moment.timestamp() // self._piece)

    def _start(self, number: int) -> datetime:
        return datetime.fromtimestamp(number * self._piece, UTC)


class Histories:
    """The histories of several questions, each known by a key; those that were not asked for longest are forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # The one that was used last is the last.
        self._histories: dict[Hashable, WindowHistory] = {}

    def points(
        self, key: Hashable, read: Read, since: datetime, until: datetime, now: datetime, width: int
    ) -> tuple[list[Point], bool]:
        """The points of a question in [since, until), and whether they are all there; see WindowHistory.

        Each stands for `width` seconds. The key says what `read` asks for.
        """
        with self._lock:
            known = (key, width)
            history = self._histories.pop(known, None) or WindowHistory(read, self._clock, piece_seconds(width))
            self._histories[known] = history
            while len(self._histories) > HISTORIES:
                del self._histories[next(iter(self._histories))]
        return history.points(since, until, BUDGET_SECONDS, now)

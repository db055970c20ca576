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
from itertools import pairwise
from typing import Any

from pipeline.clock import Clock

Point = Mapping[str, Any]
Read = Callable[[datetime, datetime], list[dict[str, Any]]]
Span = tuple[datetime, datetime]

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
# For so long a time pieces are read at once, so that what is there is soon seen; of so many questions they are kept.
BUDGET_SECONDS, HISTORIES = 0.25, 24


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
    """The points of one question, each of which stands for `width` seconds; `read(since, until)` gives those of a part.

    The time is read in pieces that begin and end at multiples of `piece_seconds(width)` since 1970, but for the first
    and the last one. With `points` those that are over have at least so many: for questions whose answers are short.
    """

    def __init__(self, read: Read, clock: Clock, width: int, points: int = 0) -> None:
        self._read, self._clock, self._width, self._length = read, clock, width, piece_seconds(width)
        self._long = max(points * width, self._length)
        self._lock = threading.Lock()
        self._kept: dict[Span, _Piece] = {}

    def points(
        self, since: datetime, until: datetime, budget: float, now: datetime | None = None
    ) -> tuple[list[Point], bool]:
        """The points up to `until` from the bin on that `since` lies in, and whether they are all there.

        Without `now` it is `until`. The newest are read first. After `budget` seconds the rest is left for the next
        call, but for one piece, so that every call comes further.
        """
        with self._lock:
            began = self._clock.monotonic()
            settled = (now or until) - timedelta(seconds=SETTLED_SECONDS)
            # From the same instant on for a while, although time goes on: so the first piece is kept as well.
            pieces = self._pieces(floor(since, self._width), until, settled)
            old = [piece for piece in pieces if piece[1] <= settled]
            live = self._read(pieces[len(old)][0], until) if len(old) < len(pieces) else []
            self._kept = {piece: one for piece, one in self._kept.items() if began - one.used_at < KEPT_SECONDS}
            there = [piece for piece in old if piece in self._kept]
            for piece in there:
                self._kept[piece].used_at = began
            missing = [piece for piece in reversed(old) if piece not in self._kept]
            stale = [piece for piece in there if began - self._kept[piece].read_at >= REREAD_SECONDS]
            # One of those that are there already, the oldest, is read again where none is missing.
            wanted = missing or sorted(stale, key=lambda piece: self._kept[piece].read_at)[:1]
            for position, piece in enumerate(wanted):
                if position and self._clock.monotonic() - began > budget:
                    break
                found = self._read(*piece)
                at = self._clock.monotonic()
                self._kept[piece] = _Piece(found, at, at)
            kept = [point for piece in old if piece in self._kept for point in self._kept[piece].points]
            complete = all(piece in self._kept for piece in old)
        return [*kept, *live], complete

    def _pieces(self, since: datetime, until: datetime, settled: datetime) -> list[Span]:
        cuts = [since]
        while cuts[-1] < until:
            end = _ceiling(cuts[-1], self._long)
            if end > settled:
                end = _ceiling(cuts[-1], self._length)
            cuts.append(min(until, end))
        return list(pairwise(cuts))


def floor(moment: datetime, seconds: int) -> datetime:
    """The last multiple of so many seconds since 1970 that is not behind a moment."""
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _ceiling(moment: datetime, seconds: int) -> datetime:
    """The first multiple of so many seconds since 1970 that is behind a moment."""
    return floor(moment, seconds) + timedelta(seconds=seconds)


class Histories:
    """The histories of several questions, each known by a key; those that were not asked for longest are forgotten.

    `points` is that of WindowHistory.
    """

    def __init__(self, clock: Clock, points: int = 0) -> None:
        self._clock, self._points = clock, points
        self._lock = threading.Lock()
        # The one that was used last is the last.
        self._histories: dict[Hashable, WindowHistory] = {}

    def points(
        self, key: Hashable, read: Read, since: datetime, until: datetime, now: datetime, width: int
    ) -> tuple[list[Point], bool]:
        """The points of a question, and whether they are all there; see WindowHistory.

        The key says what `read` asks for.
        """
        with self._lock:
            known = (key, width)
            history = self._histories.pop(known, None) or WindowHistory(read, self._clock, width, self._points)
            self._histories[known] = history
            while len(self._histories) > HISTORIES:
                del self._histories[next(iter(self._histories))]
        return history.points(since, until, BUDGET_SECONDS, now)

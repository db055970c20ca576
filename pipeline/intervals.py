"""Intervals on an absolute schedule."""

from __future__ import annotations

import math


class Intervals:
    """The instants start + k · interval, k = 1, 2, …, in seconds of a monotonic clock.

    An instant that was missed is left out, so that late work is not followed by a burst.
    """

    def __init__(self, start: float, interval: float) -> None:
        self._start, self._interval = start, interval
        self._number = 1

    @property
    def next(self) -> float:
        """The instant that comes next."""
        return self._start + self._number * self._interval

    def is_due(self, now: float) -> bool:
        """Whether an instant has been reached since the last call that said so."""
        if now < self.next:
            return False
        self._number = math.floor((now - self._start) / self._interval) + 1
        # Rounding must not make the same instant due twice.
        while self.next <= now:
            self._number += 1
        return True

"""Random choices whose share is exact: after n candidates, ⌊n·rate⌋ have been picked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Quota:
    """Picks a share of the candidates that it is shown, to within one."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._seen = 0
        self._picked = 0

    def take(self, count: int) -> int:
        """How many of the next `count` candidates to pick."""
        self._seen += count
        # The tiny addition keeps 0.29 * 100 from being 28.999….
        due = int(self._seen * self._rate + 1e-9) - self._picked
        due = min(max(due, 0), count)
        self._picked += due
        return due

    def pick(self, rng: np.random.Generator, candidates: Ints) -> Ints:
        """Some of the candidates (indices), at random."""
        count = self.take(len(candidates))
        # The draw happens even for nothing, so that a share never changes the values that are drawn after it.
        return rng.permutation(candidates)[:count]

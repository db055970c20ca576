"""Count, mean, extremes and spread of values, that can be put together from parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Moments:
    """Statistics of `count` values; `squares` is the sum of the squared deviations from the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @property
    def deviation(self) -> float:
        """The sample standard deviation; 0 for a single value."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else 0.0

    def __add__(self, other: Moments) -> Moments:
        """The statistics of both parts' values.

        Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983), formula 1.5.
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * other.count / count,
            self.squares + other.squares + delta * delta * self.count * other.count / count,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )


def grouped(
    groups: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], list[Moments]]:
    """The statistics of each group, where `groups` names the group of each value and is sorted.

    Returns the index of each group's first value, and the statistics.
    """
    if not len(values):
        return np.zeros(0, dtype=np.int64), []
    heads = np.concatenate([[0], np.flatnonzero(np.diff(groups)) + 1])
    counts = np.diff(heads, append=len(values))
    means = np.add.reduceat(values, heads) / counts
    squares = np.add.reduceat(np.square(values - np.repeat(means, counts)), heads)
    columns = (counts, means, squares, np.minimum.reduceat(values, heads), np.maximum.reduceat(values, heads))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return heads, [Moments(*row) for row in rows]

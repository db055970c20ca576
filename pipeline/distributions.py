"""Random values with a given mean and standard deviation, drawn in arrays.

Each distribution is set by its mean m and standard deviation s, from which its own parameters follow (moment
formulas: Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions, vol. 1 and 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, Floats, Floats], Floats]

# Beyond these the tails would leave the 64-bit floats.
LARGEST = 1e12
LARGEST_RATIO = 1e3

# The share of a random walk's deviation that the next value keeps: it forgets over some 20 readings.
WALK_MEMORY = math.exp(-1 / 20)
SINE_PERIOD_SECONDS = 60.0
_GOLDEN = (math.sqrt(5) - 1) / 2


def _normal(rng: np.random.Generator, mean: Floats, std: Floats) -> Floats:
    return rng.normal(mean, std)


def _uniform(rng: np.random.Generator, mean: Floats, std: Floats) -> Floats:
    half_width = std * math.sqrt(3)
    return rng.uniform(mean - half_width, mean + half_width)


def _lognormal(rng: np.random.Generator, mean: Floats, std: Floats) -> Floats:
    variance = np.log1p((std / mean) ** 2)
    return rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance))


def _exponential(rng: np.random.Generator, mean: Floats, std: Floats) -> Floats:
    # The two-parameter exponential: s is its scale, m - s its origin (0 for the common case m = s).
    return mean - std + rng.exponential(std)


def _gamma(rng: np.random.Generator, mean: Floats, std: Floats) -> Floats:
    # A spread far below a float's digits would overflow the shape.
    spreads = std > mean * 1e-12
    spread = np.where(spreads, std, mean)
    drawn = rng.gamma((mean / spread) ** 2, spread**2 / mean)
    return np.where(spreads, drawn, mean)


def _constant(_rng: np.random.Generator, mean: Floats, _std: Floats) -> Floats:
    return mean.copy()


INDEPENDENT: dict[str, Draw] = {
    "normal": _normal,
    "uniform": _uniform,
    "lognormal": _lognormal,
    "exponential": _exponential,
    "gamma": _gamma,
    "constant": _constant,
}
NAMES = (*INDEPENDENT, "random-walk", "sine")
_POSITIVE = ("lognormal", "gamma")


def problem(name: str, mean: float, std: float) -> str | None:
    """Why no such distribution exists, as a sentence, or None."""
    if abs(mean) > LARGEST or std > LARGEST:
        return f"mean {mean:g} and standard deviation {std:g} must not go beyond {LARGEST:g}"
    if std < 0:
        return f"a standard deviation is at least 0, not {std:g}"
    if name in _POSITIVE and mean < 1 / LARGEST:
        return f"{name} values are positive: the mean must be more than 0, at least {1 / LARGEST:g}, not {mean:g}"
    if name in _POSITIVE and std > LARGEST_RATIO * mean:
        return f"{name} needs a standard deviation of at most {LARGEST_RATIO:g} times the mean, not {std:g}"
    if name == "constant" and std != 0:
        return f"constant values have a standard deviation of 0, not {std:g}"
    return None


def sine(seconds: Floats, sensors: npt.NDArray[np.int64], mean: Floats, std: Floats) -> Floats:
    """A sine of period 60 s: `seconds` since the start; each sensor has its own phase. Its amplitude is s·√2."""
    turns = seconds / SINE_PERIOD_SECONDS + sensors * _GOLDEN
    return mean + std * math.sqrt(2) * np.sin(2 * math.pi * turns)


class RandomWalk:
    """Walks that are drawn back to their mean: stationary AR(1) series, one a sensor.

    x' = m + a·(x - m) + s·√(1 - a²)·ε with standard normal ε, so that mean and standard deviation stay m and s
    (Box & Jenkins, Time Series Analysis, chapter 3).
    """

    def __init__(self, sensors: int) -> None:
        self._deviation: Floats = np.full(sensors, np.nan)

    def draw(
        self,
        rng: np.random.Generator,
        sensors: npt.NDArray[np.int64],
        ranks: npt.NDArray[np.int64],
        mean: Floats,
        std: Floats,
    ) -> Floats:
        """The next values; all arrays have one element a reading, `ranks` counts each sensor's own from 0."""
        noise = rng.standard_normal(len(sensors))
        deviations = np.empty(len(sensors))
        for rank in range(int(ranks.max(initial=-1)) + 1):
            here = np.flatnonzero(ranks == rank)
            who = sensors[here]
            before = self._deviation[who]
            step = WALK_MEMORY * before + math.sqrt(1 - WALK_MEMORY**2) * noise[here]
            # A first value is drawn from where the walk will spend its life.
            deviations[here] = np.where(np.isnan(before), noise[here], step)
            self._deviation[who] = deviations[here]
        return mean + std * deviations

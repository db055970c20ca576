"""Every distribution has the mean and the standard deviation that it was set by."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import distributions

COUNT = 20_000
# Excess kurtosis of the distributions that do not depend on mean and deviation.
EXCESS_KURTOSIS = {"normal": 0.0, "uniform": -1.2, "exponential": 6.0, "constant": 0.0}

means = st.floats(-1e6, 1e6, allow_subnormal=False)
positive_means = st.floats(1e-3, 1e6)
spreads = st.floats(1e-3, 1e4)
seeds = st.integers(0, 2**32)


def assert_moments(values, mean, std, kurtosis=0.0, *, effective=None):
    """Mean and standard deviation lie within 7 standard errors of what was asked for."""
    count = effective or len(values)
    rounding = 1e-9 * max(abs(mean), std, 1e-300)
    assert abs(values.mean() - mean) <= 7 * std / math.sqrt(count) + rounding
    error_of_variance = std**2 * math.sqrt((kurtosis + 2) / count)
    assert abs(values.var() - std**2) <= 7 * error_of_variance + 1e-6 * std**2 + rounding**2


@pytest.mark.parametrize("name", ["normal", "uniform", "exponential"])
@settings(max_examples=40)
@given(mean=means, std=spreads, seed=seeds)
def test_distributions_of_any_mean_have_their_moments(name, mean, std, seed):
    rng = np.random.default_rng(seed)
    values = distributions.INDEPENDENT[name](rng, np.full(COUNT, mean), np.full(COUNT, std))
    assert_moments(values, mean, std, EXCESS_KURTOSIS[name])


@settings(max_examples=40)
@given(mean=positive_means, ratio=st.floats(0.01, 0.5), seed=seeds)
def test_lognormal_values_are_positive_and_have_their_moments(mean, ratio, seed):
    rng = np.random.default_rng(seed)
    values = distributions.INDEPENDENT["lognormal"](rng, np.full(COUNT, mean), np.full(COUNT, mean * ratio))
    w = 1 + ratio**2
    assert (values > 0).all()
    assert_moments(values, mean, mean * ratio, w**4 + 2 * w**3 + 3 * w**2 - 6)


@settings(max_examples=40)
@given(mean=positive_means, ratio=st.floats(0.01, 2.0), seed=seeds)
def test_gamma_values_are_positive_and_have_their_moments(mean, ratio, seed):
    rng = np.random.default_rng(seed)
    values = distributions.INDEPENDENT["gamma"](rng, np.full(COUNT, mean), np.full(COUNT, mean * ratio))
    assert (values >= 0).all()
    assert_moments(values, mean, mean * ratio, 6 * ratio**2)


@settings(max_examples=40)
@given(mean=means, std=spreads, sensor=st.integers(0, 10**6))
def test_a_sine_has_its_moments_over_whole_periods(mean, std, sensor):
    seconds = np.arange(3000) * (5 * distributions.SINE_PERIOD_SECONDS / 3000)
    values = distributions.sine(seconds, np.full(3000, sensor), np.full(3000, mean), np.full(3000, std))
    assert values.mean() == pytest.approx(mean, abs=1e-6 * (std + abs(mean)))
    assert values.std() == pytest.approx(std, rel=1e-3)


@settings(max_examples=20)
@given(mean=means, std=spreads, seed=seeds)
def test_a_random_walk_has_its_moments_and_remembers_its_last_value(mean, std, seed):
    rng, walk = np.random.default_rng(seed), distributions.RandomWalk(200)
    sensors = np.repeat(np.arange(200), 100)
    ranks = np.tile(np.arange(100), 200)
    m, s = np.full(20_000, mean), np.full(20_000, std)
    values = np.concatenate([walk.draw(rng, sensors, ranks, m, s) for _ in range(2)]).reshape(2, 200, 100)
    a = distributions.WALK_MEMORY
    effective = values.size * (1 - a) / (1 + a)
    assert_moments(values.ravel(), mean, std, effective=effective)
    within = np.corrcoef(values[:, :, :-1].ravel(), values[:, :, 1:].ravel())[0, 1]
    between_draws = np.corrcoef(values[0, :, -1], values[1, :, 0])[0, 1]
    assert within == pytest.approx(a, abs=0.03)
    assert between_draws > 0.8


def test_a_deviation_of_zero_gives_the_mean_everywhere():
    rng = np.random.default_rng(1)
    for name, draw in distributions.INDEPENDENT.items():
        values = draw(rng, np.full(100, 3.5), np.zeros(100))
        np.testing.assert_allclose(values, 3.5, err_msg=name)


@pytest.mark.parametrize(
    ("name", "mean", "std", "words"),
    [
        ("lognormal", 0, 1, "the mean must be more than 0"),
        ("lognormal", -2, 1, "the mean must be more than 0"),
        ("gamma", 0, 1, "the mean must be more than 0"),
        ("gamma", 1, 1e9, "at most 1000 times the mean"),
        ("constant", 1, 1, "a standard deviation of 0"),
        ("normal", 1e300, 1, "must not go beyond"),
        ("normal", 1, -1, "at least 0"),
    ],
)
def test_an_impossible_pair_is_named(name, mean, std, words):
    assert words in (distributions.problem(name, mean, std) or "")


@given(name=st.sampled_from(distributions.NAMES), mean=st.floats(-1e13, 1e13), std=st.floats(0, 1e13), seed=seeds)
def test_whatever_is_not_refused_gives_finite_values(name, mean, std, seed):
    if distributions.problem(name, mean, std) is None and name in distributions.INDEPENDENT:
        rng = np.random.default_rng(seed)
        values = distributions.INDEPENDENT[name](rng, np.full(500, mean), np.full(500, std))
        assert np.isfinite(values).all()

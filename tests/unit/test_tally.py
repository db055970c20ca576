"""Counts and latencies of a producer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tally import LatencyHistogram, Tally, difference

latencies = st.lists(st.floats(1e-5, 100), min_size=1, max_size=300)


def histogram(values):
    result = LatencyHistogram()
    result.record(values)
    return result


@given(latencies, st.floats(0.01, 1))
def test_percentiles_are_right_to_within_two_percent(values, share):
    exact = np.quantile(values, share, method="inverted_cdf")
    assert exact * 0.999 <= histogram(values).percentile(share) <= exact * 1.021
    assert histogram(values).mean == pytest.approx(np.mean(values))


@given(latencies, latencies)
def test_histograms_add_up_and_can_be_taken_apart(first, second):
    both = histogram(first)
    both.add(histogram(second))
    assert both.percentile(0.95) == histogram(first + second).percentile(0.95)
    later, earlier = Tally(sent=9, latency=both), Tally(sent=4, latency=histogram(first))
    recent = difference(later, earlier)
    assert recent.sent == 5
    assert recent.latency.percentile(0.5) == pytest.approx(histogram(second).percentile(0.5))


def test_nothing_recorded_is_zero():
    assert LatencyHistogram().mean == LatencyHistogram().percentile(0.95) == 0.0

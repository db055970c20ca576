"""Statistics of parts, put together, are those of the whole."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.moments import Moments, grouped

values = st.integers(-100_000_000, 100_000_000).map(lambda number: number / 100)


@given(st.lists(st.lists(values, min_size=1, max_size=20), min_size=1, max_size=8))
def test_parts_put_together_are_the_whole(parts):
    groups = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    whole = [value for part in parts for value in part]

    heads, found = grouped(groups, np.array(whole))
    total = sum(found, Moments())

    assert [one.count for one in found] == [len(part) for part in parts]
    assert heads.tolist() == np.flatnonzero(np.diff(groups, prepend=-1)).tolist()
    scale = 1e-9 * max(map(abs, whole))
    assert (total.count, total.minimum, total.maximum) == (len(whole), min(whole), max(whole))
    assert total.mean == pytest.approx(statistics.fmean(whole), rel=1e-9, abs=scale)
    expected = statistics.stdev(whole) if len(whole) > 1 else 0.0
    assert total.deviation == pytest.approx(expected, rel=1e-9, abs=scale)


def test_nothing_changes_nothing():
    one = Moments(2, 3.0, 2.0, 2.0, 4.0)

    assert Moments() + one == one + Moments() == one
    assert one.deviation == math.sqrt(2)
    assert grouped(np.zeros(0, np.int64), np.zeros(0))[1] == []

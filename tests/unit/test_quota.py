"""Shares are exact and chosen at random."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quota import Quota


@given(rate=st.floats(0, 1), sizes=st.lists(st.integers(0, 500), max_size=30), seed=st.integers(0, 2**32))
def test_the_share_is_exact_to_within_one_at_every_moment(rate, sizes, seed):
    rng, quota = np.random.default_rng(seed), Quota(rate)
    seen = picked = 0
    for size in sizes:
        chosen = quota.pick(rng, np.arange(size))
        assert len(set(chosen.tolist())) == len(chosen)
        seen, picked = seen + size, picked + len(chosen)
        assert abs(picked - seen * rate) < 1 + 1e-6


def test_every_candidate_has_the_same_chance():
    rng, hits = np.random.default_rng(7), np.zeros(20)
    quota = Quota(0.25)
    for _ in range(4000):
        hits[quota.pick(rng, np.arange(20))] += 1
    expected = 4000 * 0.25
    assert (abs(hits - expected) < 7 * np.sqrt(expected)).all()

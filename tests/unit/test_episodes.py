from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from stored import START

from pipeline import episodes
from pipeline.episodes import Episode

MINUTE = timedelta(seconds=60)
points = st.lists(st.tuples(st.integers(0, 600), st.integers(1, 4)), min_size=1, max_size=20, unique_by=lambda p: p[0])


def point(second: float, worst: int = 3) -> Episode:
    at = START + timedelta(seconds=second)
    return Episode(at, {"at": at, "alert_id": f"too_hot-{second:07.1f}"}, worst)


def seconds(merged: list[Episode]) -> list[tuple[float, float]]:
    return [((one.first - START).total_seconds(), (one.last["at"] - START).total_seconds()) for one in merged]


def test_alerts_are_one_episode_up_to_the_gap_and_not_beyond():
    merged = episodes.merge([point(s) for s in (0, 60, 120, 180.1, 500)], MINUTE)

    assert seconds(merged) == [(0, 120), (180.1, 180.1), (500, 500)]


def test_an_alert_between_two_episodes_joins_them():
    early, late = episodes.merge([point(0), point(100)], MINUTE)

    assert seconds(episodes.merge([late, point(50), early], MINUTE)) == [(0, 100)]


def test_an_episode_remembers_its_worst_priority_and_its_last_alert():
    merged = episodes.merge([point(40, 1), point(0, 2), point(20, 4)], MINUTE)

    assert (merged[0].worst, merged[0].last) == (4, point(40).last)


@given(points, st.randoms(use_true_random=False), st.integers(0, 20))
def test_episodes_are_the_same_in_whatever_order_and_parts_the_alerts_come(those, random, cut):
    alerts = [point(*one) for one in those]
    at_once = episodes.merge(alerts, MINUTE)
    random.shuffle(alerts)

    in_parts = episodes.merge([*episodes.merge(alerts[:cut], MINUTE), *episodes.merge(alerts[cut:], MINUTE)], MINUTE)

    assert in_parts == at_once


@given(points)
def test_every_gap_within_an_episode_is_short_and_every_one_between_is_long(those):
    merged = episodes.merge([point(*one) for one in those], MINUTE)

    instants = sorted(second for second, _ in those)
    breaks = [(a, b) for a, b in pairwise(instants) if b - a > 60]
    found = seconds(merged)
    assert [(one[1], two[0]) for one, two in pairwise(found)] == breaks
    assert (found[0][0], found[-1][1]) == (instants[0], instants[-1])

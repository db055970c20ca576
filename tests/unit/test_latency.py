"""Times counted in classes: what is told of them, against the times themselves."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import latency
from pipeline.latency_counts import counted, legs

DAY_MS = 86_400_000
TIMES = st.lists(st.integers(0, DAY_MS), min_size=1, max_size=200)
COUNTS = st.dictionaries(st.integers(-1, 120).map(str), st.integers(1, 10**6), max_size=8)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.integers(-1000, 2 * 10**9))
def test_a_time_lies_within_its_class(milliseconds):
    begin, end = latency.bounds(number := latency.class_of(milliseconds))

    if milliseconds < 0:
        assert number == latency.AHEAD
    elif milliseconds == 0:
        assert begin == 0
    elif milliseconds <= 12 * DAY_MS:
        assert begin < milliseconds <= end
        assert end <= 1 or end / begin == pytest.approx(2**0.25)
    else:
        assert number == latency.class_of(30 * DAY_MS)


@given(TIMES, st.floats(0, 1))
def test_a_quantile_lies_in_the_class_of_the_smallest_time_that_reaches_it(times, part):
    smallest = sorted(times)[max(math.ceil(part * len(times)), 1) - 1]

    told = latency.quantile(counted(times), part)

    begin, end = latency.bounds(latency.class_of(smallest))
    assert begin / 1000 <= told <= end / 1000


@given(TIMES, st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_quantiles_rise_with_the_part(times, parts):
    counts = counted(times)

    told = [latency.quantile(counts, part) for part in sorted(parts)]

    assert told == sorted(told)


@given(TIMES, TIMES)
def test_counting_in_parts_is_counting_all(some, others):
    assert latency.added(counted(some), counted(others)) == counted(some + others)


@given(COUNTS, COUNTS, COUNTS)
def test_adding_up_does_not_depend_on_the_order_and_changes_nothing_of_what_is_added(one, two, three):
    before = dict(one)

    assert latency.added(latency.added(one, two), three) == latency.added(one, latency.added(three, two))
    assert one == before


def test_mappings_are_added_up_as_deep_as_they_are():
    one = {"legs": {"to_broker": {"0": 1}}, "codes": {"not_json": 2}}
    other = {"legs": {"to_broker": {"0": 2, "7": 1}, "to_spark": {"3": 1}}, "codes": {"bad_field": 1}}

    assert latency.added(one, other) == {
        "legs": {"to_broker": {"0": 3, "7": 1}, "to_spark": {"3": 1}},
        "codes": {"not_json": 2, "bad_field": 1},
    }


def test_each_leg_is_the_time_between_its_two_instants():
    begin = round(1000 * START.timestamp())
    moments = [START, START + timedelta(milliseconds=100.4)]

    found = legs(moments, [begin + 4, begin + 116], begin + 1000, begin + 1200)

    assert found == {
        "to_broker": counted([4, 16]),
        "to_spark": counted([996, 884]),
        "to_store": counted([200, 200]),
        "in_all": counted([1200, 1100]),
    }


def test_the_legs_of_no_reading_are_none():
    assert legs([], [], 1, 2) == {}


def test_a_clock_that_is_ahead_is_told_and_counts_as_no_time():
    told = latency.summary(counted([-30, -5, 100, 100]))

    assert (told["p50"], told["ahead"], told["count"]) == (0, 0.5, 4)
    assert told["p95"] == pytest.approx(0.1, rel=0.19)


def test_of_nothing_no_percentile_is_told():
    assert latency.summary({}) == {"p50": None, "p95": None, "p99": None, "count": 0, "ahead": 0.0}

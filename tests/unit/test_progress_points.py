"""Batches put together by time: nothing is lost or counted twice, whatever the bins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import START

from pipeline import latency, latency_counts, progress_points


def batch(second: float, **more: Any) -> dict[str, Any]:
    """A batch of 100 rows that took half a second, so many seconds after START."""
    figures = {"rows": 100, "batch_seconds": 0.5, "trigger_seconds": 2.0, "lag": 0, "late": 0}
    return {"query": "readings", "mode": "micro-batch", "at": START + timedelta(seconds=second), **figures, **more}


COUNTS = st.dictionaries(st.sampled_from(["0", "7", "30"]), st.integers(1, 100), max_size=3)
BATCHES = st.lists(
    st.builds(
        batch,
        st.floats(0, 5000),
        query=st.sampled_from(["readings", "windows"]),
        rows=st.integers(0, 10**6),
        lag=st.integers(0, 10**6),
        late=st.integers(0, 9),
        waiting_by_partition=st.dictionaries(st.sampled_from("012"), st.integers(0, 100)),
        latency=st.fixed_dictionaries({}, optional=dict.fromkeys(latency.LEGS, COUNTS)),
        refused_by_code=st.dictionaries(st.sampled_from(["not_json", "bad_field"]), st.integers(1, 9)),
    ),
    max_size=12,
)


@given(BATCHES, st.sampled_from([10, 20, 60, 300]))
def test_whatever_the_bins_all_is_counted_once_and_the_largest_are_kept(batches, bin_seconds):
    found = progress_points.points(batches, bin_seconds)

    assert sum(point["batches"] for point in found) == len(batches)
    for name in ("rows", "late"):
        assert sum(point[name] for point in found) == sum(one[name] for one in batches)
    assert max((point["lag"] for point in found), default=None) == max((one["lag"] for one in batches), default=None)
    keys = [(point["at"], point["query"]) for point in found]
    assert keys == sorted(set(keys))
    assert all(point["at"].timestamp() % bin_seconds == 0 for point in found)
    for name in ("latency", "refused_by_code"):
        told: dict[str, Any] = {}
        for point in found:
            told = latency.added(told, point[name])
        wanted: dict[str, Any] = {}
        for one in batches:
            wanted = latency.added(wanted, one[name])
        assert told == wanted


@given(BATCHES)
def test_the_order_in_which_batches_come_does_not_matter(batches):
    assert progress_points.points(batches[::-1], 60) == progress_points.points(batches, 60)


def test_a_point_tells_the_worst_of_its_bin():
    batches = [
        batch(1, lag=5, waiting_by_partition={"0": 5, "1": 0}, watermark=START - timedelta(seconds=119), state_rows=7),
        batch(3, lag=4, waiting_by_partition={"0": 1, "1": 3}, watermark=START - timedelta(seconds=119), state_rows=9),
        batch(12, batch_seconds=3.5),
    ]

    first, second = progress_points.points(batches, 10)

    assert (first["at"], first["batches"], first["lag"], first["state_rows"]) == (START, 2, 5, 9)
    assert first["waiting_by_partition"] == {"0": 5, "1": 3}
    assert first["behind"] == 122
    assert (second["batch_seconds"], second["behind"], second["state_rows"]) == (3.5, None, None)


def test_signs_of_life_and_batches_in_real_time_are_left_out():
    sign = batch(1)
    del sign["rows"]

    assert progress_points.points([sign, batch(2, mode="real-time")], 10) == []


@pytest.mark.parametrize(
    ("batches", "a_second"),
    [
        ([batch(second) for second in range(0, 10, 2)], 50),
        # One batch in the whole bin: so many came in ten seconds.
        ([batch(4)], 10),
        # A batch that stands for a minute, and one that took longer than it should.
        ([batch(4, rows=60_000, trigger_seconds=60.0)], 1000),
        ([batch(4, rows=60_000, batch_seconds=30.0)], 2000),
        ([batch(4, rows=0)], 0),
    ],
)
def test_rows_a_second_are_those_of_the_time_that_the_batches_stand_for(batches, a_second):
    [point] = progress_points.points(batches, 10)

    assert progress_points.rate(point, 10) == a_second


def columns(*batches: dict[str, Any], bin_seconds: int = 10) -> dict[str, Any]:
    return progress_points.columns(progress_points.points(batches, bin_seconds), bin_seconds)


def test_points_become_columns_with_a_gap_where_batches_are_missing():
    found = columns(batch(0, batch_seconds=7.0), batch(11), batch(40, waiting_by_partition={"0": 3, "10": 4, "2": 5}))

    begin = round(1000 * START.timestamp())
    assert [moment - begin for moment in found["at"]] == [0, 10_000, 20_000, 40_000]
    assert found["batch_seconds"] == [7.0, 0.5, None, 0.5]
    assert found["lags"] == {"0": [None] * 3 + [3], "2": [None] * 3 + [5], "10": [None] * 3 + [4]}
    assert list(found["lags"]) == ["0", "2", "10"]
    assert found["legs"] == {}


def test_batches_that_are_far_apart_by_their_trigger_leave_no_gap():
    assert None not in columns(*(batch(60 * n, trigger_seconds=60.0) for n in range(4)))["rate"]


def test_the_newest_bin_is_told_as_far_as_it_is_over():
    assert columns(batch(0), batch(2), batch(10), batch(12))["rate"] == [20, 50]


@given(st.lists(st.floats(0, 3000), max_size=30))
def test_all_columns_are_as_long_as_the_times_which_rise(seconds):
    found = columns(*(batch(second, latency={"in_all": {"3": 1}}) for second in seconds))

    assert found["at"] == sorted(set(found["at"]))
    lists = [one for name, one in found.items() if name not in {"at", "lags", "legs"}]
    lists += list(found["legs"].get("in_all", {}).values())
    assert {len(one) for one in lists} == {len(found["at"])}


def test_what_was_late_or_refused_is_told_by_reason_the_most_frequent_first():
    batches = [
        batch(1, refused_by_code={"not_json": 2, "bad_field": 9}),
        batch(2, query="windows", late=4),
        batch(25, refused_by_code={"not_json": 5}),
    ]

    found = progress_points.losses(progress_points.points(batches, 10))

    begin = round(1000 * START.timestamp())
    assert found["at"] == [begin, begin + 20_000]
    assert list(found["reasons"].items()) == [("bad_field", [9, 0]), ("not_json", [2, 5]), ("late", [4, 0])]


def test_the_legs_are_told_over_all_points():
    latencies = [{leg: latency_counts.counted([value]) for leg in latency.LEGS} for value in (10, 10, 1000)]
    found = progress_points.points([batch(20 * n, latency=one) for n, one in enumerate(latencies)], 10)

    told = progress_points.legs(found)

    assert told["in_all"]["count"] == 3
    assert told["in_all"]["p50"] == pytest.approx(0.01, rel=0.19)
    assert told["in_all"]["p99"] == pytest.approx(1, rel=0.19)
    assert progress_points.legs([])["to_broker"]["p50"] is None

"""Windows computed once more are those that pandas computes, and what differs has a name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windowed import windows_of

from pipeline.moments import Moments
from pipeline.oracle_windows import Expected, Kind, WindowShape, WindowsResult, compare, kind_of, recomputed
from pipeline.store_columns import Measurements

START = datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC)
ORIGIN = round(START.timestamp() * 1000)

readings = st.lists(
    st.tuples(
        st.integers(0, 60_000),
        st.sampled_from(["temperature", "humidity"]),
        st.sampled_from(["office-lab", "unknown", None]),
        st.integers(-5000, 5000).map(lambda number: number / 100),
        st.booleans(),
    ),
    min_size=1,
    max_size=120,
).map(lambda those: sorted(those, key=lambda one: one[0]))


def in_parts(those, size):
    for begin in range(0, len(those), size):
        instants, types, locations, values, late = zip(*those[begin : begin + size], strict=True)
        yield Measurements(np.array(instants) + ORIGIN, list(types), list(locations), np.array(values), np.array(late))


def frame_of(those):
    frame = pd.DataFrame(those, columns=["instant", "sensor_type", "location", "value", "late"])
    frame["timestamp"] = pd.to_datetime(frame["instant"] + ORIGIN, unit="ms", utc=True)
    return frame


shapes = st.sampled_from([(10, 10), (10, 5), (10, 4), (60, 60), (1, 1), (7.5, 2.5)])


@given(those=readings, size=st.integers(1, 50), shape=shapes)
def test_the_windows_of_readings_in_parts_are_those_of_pandas(those, size, shape):
    length, slide = shape
    chosen = WindowShape(round(1000 * length), round(1000 * slide))
    stored = windows_of(frame_of(those), seconds=length, slide=slide)

    result = WindowsResult()
    compare(recomputed(in_parts([(*one[:4], False) for one in those], size), chosen, 0, 2**60), stored, result)

    assert result.kinds[Kind.EQUAL] == result.compared == len(stored)


@given(those=readings, size=st.integers(1, 50), counted=st.sets(st.integers(0, 119)))
def test_a_window_may_count_any_of_the_late_readings(those, size, counted):
    frame = frame_of(those)
    kept = frame[~frame["late"] | frame.index.isin(counted)]
    stored = windows_of(kept) if len(kept) else []

    result = WindowsResult()
    compare(recomputed(in_parts(those, size), WindowShape(10_000, 10_000), 0, 2**60), stored, result)

    assert result.different == 0
    assert result.compared == len(stored)


@given(those=readings, size=st.integers(1, 50), data=st.data())
def test_a_reading_that_windows_lack_or_count_twice_is_found(those, size, data):
    position = data.draw(st.integers(0, len(those) - 1))
    frame = frame_of(those)
    times = data.draw(st.sampled_from([0, 2]))
    changed = frame.loc[frame.index.repeat(np.where(frame.index == position, times, 1))]
    stored = windows_of(changed) if len(changed) else []

    result = WindowsResult()
    in_time = [(*one[:4], False) for one in those]
    compare(recomputed(in_parts(in_time, size), WindowShape(10_000, 10_000), 0, 2**60), stored, result)

    kinds = {kind for kind, count in result.kinds.items() if count and kind != Kind.EQUAL}
    assert result.different == 1
    assert kinds <= ({Kind.TWICE} if times else {Kind.LESS, Kind.ABSENT})
    assert result.lacking == (0 if times else 1)
    assert result.examples[0].start == frame["timestamp"][position].floor("10s")


def test_only_windows_that_begin_in_the_time_asked_for_are_expected():
    those = [(second * 1000, "humidity", None, 1.0, False) for second in range(40)]

    found = list(recomputed(in_parts(those, 7), WindowShape(10_000, 10_000), ORIGIN + 7000, ORIGIN + 27_000))

    assert [((start - ORIGIN) // 1000, list(places)) for start, places in found] == [
        (7, [("humidity", "unknown")]),
        (17, [("humidity", "unknown")]),
    ]


def stored_window(start=0.0, seconds=10.0, **figures):
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=start)
    return {"window_start": begin, "window_end": begin + timedelta(seconds=seconds), **figures}


@pytest.mark.parametrize(
    ("starts", "seconds", "slide"),
    [([0], 10, 10), ([0, 20, 70], 10, 10), ([0, 5, 10], 10, 5), ([-4, 0, 4], 10, 4), ([0.5, 1.0], 0.5, 0.5)],
)
def test_the_shape_of_windows_is_seen_from_those_that_are_stored(starts, seconds, slide):
    shape = WindowShape.of(stored_window(start, seconds) for start in starts)

    assert shape == WindowShape(round(1000 * seconds), round(1000 * slide))


def test_without_windows_there_is_no_shape():
    assert WindowShape.of([]) is None


@pytest.mark.parametrize(
    ("windows", "problem"),
    [
        ([stored_window(0, 10), stored_window(0, 60)], r"several lengths are stored in this time \(10 s, 60 s\)"),
        ([stored_window(0.001, 60), stored_window(60.002, 60)], "begin at no multiple of a slide"),
        ([stored_window(0, 0)], "begin at no multiple of a slide"),
    ],
)
def test_windows_that_cannot_be_compared_are_refused(windows, problem):
    with pytest.raises(ValueError, match=problem):
        WindowShape.of(windows)


@pytest.mark.parametrize(("length", "slide"), [(10, 10), (10, 4), (60, 7), (5, 5)])
def test_the_first_window_that_holds_an_instant_begins_at_a_multiple_of_the_slide(length, slide):
    shape = WindowShape(length, slide)

    for instant in range(200):
        holding = [start for start in range(-70, 201) if start % slide == 0 and start <= instant < start + length]
        assert shape.first_start(instant) == min(holding)


IN_TIME = Moments(3, 2.0, 2.0, 1.0, 3.0)
LATE = Moments(2, 5.0, 2.0, 4.0, 6.0)


def window(count, avg, std, minimum, maximum):
    return {"count": count, "avg": avg, "std": std, "min": minimum, "max": maximum}


@pytest.mark.parametrize(
    ("stored", "late", "kind"),
    [
        (window(3, 2.0, 1.0, 1.0, 3.0), Moments(), Kind.EQUAL),
        (window(3, 2.0 * (1 + 9e-10), 1.0 * (1 - 9e-10), 1.0, 3.0), Moments(), Kind.EQUAL),
        (window(3, 2.0 * (1 + 2e-9), 1.0, 1.0, 3.0), Moments(), Kind.OTHER),
        (window(3, 2.0, 1.0 + 2e-9, 1.0, 3.0), Moments(), Kind.OTHER),
        (window(3, 2.0, 1.0, 1.0 + 1e-12, 3.0), Moments(), Kind.OTHER),
        (window(3, 2.0, 1.0, 1.0, 2.9), Moments(), Kind.OTHER),
        (window(2, 2.0, 1.0, 1.0, 3.0), LATE, Kind.LESS),
        (window(4, 2.0, 1.0, 1.0, 3.0), Moments(), Kind.TWICE),
        (window(6, 2.0, 1.0, 1.0, 3.0), LATE, Kind.TWICE),
        (window(3, 2.0, 1.0, 1.0, 3.0), LATE, Kind.EQUAL),
        (window(4, 2.5, 1.0, 1.0, 4.0), LATE, Kind.EQUAL),
        (window(4, 2.5, 1.0, 0.0, 4.0), LATE, Kind.OTHER),
        (window(4, 2.5, 1.0, 1.0, 7.0), LATE, Kind.OTHER),
        (window(5, 3.2, 3.7**0.5, 1.0, 6.0), LATE, Kind.EQUAL),
        (window(5, 3.2, 3.7**0.5, 1.0, 5.0), LATE, Kind.OTHER),
        (None, LATE, Kind.ABSENT),
    ],
)
def test_a_window_stands_to_its_readings_in_one_of_five_ways(stored, late, kind):
    assert kind_of(Expected(IN_TIME, late), stored) == kind


def test_rounding_alone_is_no_difference():
    """A mean of zero and a deviation of zero leave nothing that a relative limit could be taken of."""
    assert kind_of(Expected(Moments(2, 0.0, 800.0, -20.0, 20.0)), window(2, 4e-15, 800.0**0.5, -20.0, 20.0)) == "equal"
    constant = Moments(3, 21.37, 1e-30, 21.37, 21.37)
    assert kind_of(Expected(constant), window(3, 21.37, 3.5e-15, 21.37, 21.37)) == "equal"
    assert kind_of(Expected(constant), window(3, 21.37, 1e-9, 21.37, 21.37)) == Kind.OTHER

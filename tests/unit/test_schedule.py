"""The timetable: nothing skipped, nothing twice, nothing drifting."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import checks
from pipeline.schedule import Pace, Schedule, Stage, stages


def parsed(*words):
    return stages([checks.rate_change(word) for word in words])


def fleet_schedule(sensors, rate, steps=None):
    return Schedule(np.arange(sensors) / rate, np.full(sensors, sensors / rate), Pace(steps or [Stage(0, rate)]))


def first_readings(schedule, count):
    sensor, sequence, due = [], [], []
    for block in schedule.blocks():
        order = np.argsort(block.due, kind="stable")
        sensor.extend(block.sensor[order])
        sequence.extend(block.sequence[order])
        due.extend(block.due[order])
        if len(due) >= count:
            return np.array(sensor), np.array(sequence), np.array(due)
    return None


@settings(max_examples=60)
@given(
    delays=st.lists(st.floats(0.01, 20), min_size=1, max_size=6),
    phases=st.lists(st.floats(0, 5), min_size=6, max_size=6),
)
def test_every_sensor_counts_up_without_gap_and_keeps_its_delay(delays, phases):
    schedule = Schedule(np.array(phases[: len(delays)]), np.array(delays))
    sensor, sequence, due = first_readings(schedule, 500)
    for number, delay in enumerate(delays):
        mine = sensor == number
        np.testing.assert_array_equal(sequence[mine], np.arange(mine.sum()))
        np.testing.assert_allclose(due[mine], phases[number] + np.arange(mine.sum()) * delay, atol=1e-6)


@settings(max_examples=60)
@given(
    sensors=st.integers(1, 50),
    rates=st.lists(st.floats(1, 5000), min_size=1, max_size=4),
    lengths=st.lists(st.floats(0.5, 20), min_size=3, max_size=3),
)
def test_a_change_of_rate_skips_nothing_and_is_kept_exactly(sensors, rates, lengths):
    since = [0.0, *itertools.accumulate(lengths)]
    steps = [Stage(s, r) for s, r in zip(since, rates, strict=False)]
    schedule = fleet_schedule(sensors, rates[0], steps)
    sensor, sequence, due = first_readings(schedule, 2000)
    # Over the whole fleet the readings come one after the other, sensor by sensor.
    np.testing.assert_array_equal(sequence * sensors + sensor, np.arange(len(due)))
    assert (np.diff(due) >= -1e-9).all()
    # In every stage the count is the rate times the time, to within one reading.
    for stage, following in itertools.pairwise([*steps, Stage(float(due[-1]), 0)]):
        end = min(following.since, due[-1])
        if end > stage.since:
            inside = ((due >= stage.since) & (due < end)).sum()
            assert abs(inside - stage.rate * (end - stage.since)) <= 1.01


def test_a_rate_of_zero_is_a_pause():
    schedule = fleet_schedule(10, 100, parsed("100", "0@2", "50@5"))
    _, _, due = first_readings(schedule, 300)
    assert not ((due > 2.0) & (due < 5.0)).any()
    assert ((due >= 5.0) & (due < 6.0)).sum() == 50
    assert schedule.due_before(4.0).sum() == schedule.due_before(5.0).sum()


def test_the_thousandth_second_is_as_punctual_as_the_first():
    schedule = fleet_schedule(1000, 20_000)
    assert schedule.due_before(1000.0).sum() == 20_000_000
    assert schedule.due_before(86_400.0).sum() == 20_000 * 86_400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fast"], "is not a number"),
        (["-1"], "out of range"),
        (["0"], "the first rate stands alone"),
        (["10@5"], "the first rate stands alone"),
        (["10", "20"], "say when 20 begins"),
        (["10", "20@60", "30@30"], "does not come after"),
        (["10", "20@x"], "is not a number"),
        (["nan"], "out of range"),
    ],
)
def test_wrong_rates_are_explained(words, message):
    with pytest.raises(ValueError, match=message):
        parsed(*words)

"""What is missing and what is extra, as a set computation says it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import RunLine, RunRecord, merge_ranges, to_ranges
from pipeline.oracle_readings import ReadingsCheck

ABOUT = RunLine(run="00000000002a", version=1, seed=1, start="2026-03-01T12:00:00+00:00", topic="t", sensors=9)


def record_of(acknowledged, **more) -> RunRecord:
    ranges: dict[int, list[tuple[int, int]]] = {}
    for sensor, sequence in acknowledged:
        ranges.setdefault(sensor, []).append((sequence, sequence))
    return RunRecord(ABOUT, ranges={sensor: merge_ranges(those) for sensor, those in ranges.items()}, **more)


def check_of(record, stored, *, part=7) -> ReadingsCheck:
    check = ReadingsCheck(record)
    readings = sorted(stored)
    for begin in range(0, len(readings), part):
        sensors, sequences = np.array(readings[begin : begin + part], dtype=np.int64).T
        check.add(sequences, sensors, 1000 * sequences + sensors)
    return check


places = st.sets(st.tuples(st.integers(0, 8), st.integers(0, 40)), max_size=150)


@given(acknowledged=places, stored=places)
def test_missing_and_extra_are_those_of_two_sets(acknowledged, stored):
    check = check_of(record_of(acknowledged), stored)

    differences, count = check.differences(limit=100)
    found = {one.sensor: (one.missing_ranges, one.missing, one.extra) for one in differences}
    expected = {}
    for sensor in {sensor for sensor, _ in acknowledged ^ stored}:
        missing = {sequence for s, sequence in acknowledged - stored if s == sensor}
        extra = sum(s == sensor for s, _ in stored - acknowledged)
        expected[sensor] = (to_ranges(missing), len(missing), extra)
    assert found == expected
    assert list(found) == sorted(found)
    assert count == len(expected)
    assert (check.stored, check.missing, check.extra) == (
        len(stored),
        len(acknowledged - stored),
        len(stored - acknowledged),
    )


@given(acknowledged=places, stored=places, late=places)
def test_the_span_of_a_run_is_that_of_the_readings_that_were_not_made_late(acknowledged, stored, late):
    check = check_of(record_of(acknowledged, late=late), stored)

    instants = [1000 * sequence + sensor for sensor, sequence in stored - late]
    assert (check.first_instant, check.last_instant) == (min(instants, default=None), max(instants, default=None))


def test_a_malformed_message_that_was_repaired_is_stored_and_told_apart():
    record = record_of([(0, 0), (0, 1)], malformed={(0, 2): (0, 5), (1, 7): (0, 6)})

    check = check_of(record, [(0, 0), (0, 1), (0, 2), (0, 3)])

    assert (check.extra, check.repaired) == (2, 1)


def test_only_so_many_sensors_are_told_and_all_are_counted():
    check = check_of(record_of([(sensor, 0) for sensor in range(30)]), [])

    differences, count = check.differences(limit=20)

    assert [one.sensor for one in differences] == list(range(20))
    assert count == 30


def test_numbers_that_no_ledger_has_are_more_than_acknowledged():
    check = ReadingsCheck(record_of([(0, 0)]))

    check.add(np.array([0, 2**41, 0]), np.array([0, 0, 2**31]), np.array([5, 6, 7]))

    assert (check.missing, check.extra) == (0, 2)

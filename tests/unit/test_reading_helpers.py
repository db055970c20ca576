"""The small parts of the consumer: intervals, repeats, refusals in the log, CSV cells."""

import csv
import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cells import csv_line
from pipeline.intervals import Intervals
from pipeline.recent import RecentKeys
from pipeline.rejections import Rejections


def test_an_interval_is_due_once_at_each_instant_of_the_schedule():
    intervals = Intervals(start=100.0, interval=20.0)

    assert not intervals.is_due(119.9)
    assert intervals.is_due(120.0)
    assert not intervals.is_due(120.0)
    # Late once does not make the next one late.
    assert intervals.is_due(153.0)
    assert intervals.next == 160.0


def test_missed_instants_are_left_out():
    intervals = Intervals(start=0.0, interval=1.0)

    assert intervals.is_due(7.5)
    assert not intervals.is_due(7.9)
    assert intervals.next == 8.0


@given(
    start=st.floats(0, 1e9),
    interval=st.floats(0.1, 86_400),
    steps=st.lists(st.floats(0, 1e5), min_size=1, max_size=50),
)
def test_intervals_lie_on_the_schedule_and_never_stand_still(start, interval, steps):
    intervals, now = Intervals(start, interval), start
    for step in steps:
        now += step
        before = intervals.next
        due = intervals.is_due(now)

        assert due == (now >= before)
        assert intervals.next > now or not due
        assert not intervals.is_due(now)
        number = (intervals.next - start) / interval
        assert abs(number - round(number)) < 1e-3


def test_a_key_is_new_once():
    recent = RecentKeys(capacity=3)

    assert [recent.is_new(key) for key in "aabca"] == [True, False, True, True, False]


def test_the_oldest_keys_are_forgotten_so_memory_is_bounded():
    recent = RecentKeys(capacity=3)
    for key in range(10_000):
        assert recent.is_new(key)

    assert not recent.is_new(9_998)
    assert recent.is_new(0)
    assert len(recent._keys) == 3


def test_the_first_refusal_of_each_kind_is_named_and_a_flood_is_counted(caplog):
    caplog.set_level(logging.WARNING)
    rejections = Rejections()

    for offset in range(50_000):
        rejections.add("not_json", f"sentence \x1b[2J {offset}", f"readings[0]@{offset}")
    rejections.add("bad_field", "another", "readings[1]@7")
    rejections.log_recent()
    rejections.add("not_json", "again", "readings[0]@50000")
    rejections.log_recent()
    rejections.log_recent()
    rejections.log_total()

    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "refused readings[0]@0: not_json: sentence \\x1b[2J 0 (the first of its kind; more are counted)",
        "refused readings[1]@7: bad_field: another (the first of its kind; more are counted)",
        "refused in this interval: bad_field 1, not_json 50,000",
        "refused in this interval: not_json 1",
        "refused in all: 50,002: bad_field 1, not_json 50,001",
    ]


def test_nothing_is_logged_where_nothing_was_refused(caplog):
    rejections = Rejections()
    rejections.log_recent()
    rejections.log_total()

    assert not caplog.records


@given(st.lists(st.text() | st.none() | st.integers() | st.floats(allow_nan=False), min_size=2))
def test_a_csv_line_is_one_line_and_reads_back(cells):
    line = csv_line(cells)

    assert "\n" not in line
    (row,) = csv.reader(io.StringIO(line))
    assert len(row) == len(cells)
    for cell, shown in zip(cells, row, strict=True):
        if isinstance(cell, int | float):
            assert type(cell)(shown) == cell
        elif cell is None:
            assert shown == ""
        else:
            assert not shown.lstrip().startswith(("=", "+", "-", "@"))
            assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"), [("=1+1", "'=1+1"), ("plain", "plain"), ("\t=1", "\\t=1"), ("  @a", "'  @a")]
)
def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote(text, shown):
    assert csv_line([text]) == shown

"""A long range in pieces."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from clocks import HandClock
from hypothesis import given
from hypothesis import strategies as st
from stored import START

from pipeline.view import LONGEST_SECONDS, SHORTEST_SECONDS
from pipeline.window_history import (
    BINS,
    HISTORIES,
    KEPT_SECONDS,
    POINTS,
    POINTS_LIMIT,
    WIDE_POINTS,
    Histories,
    WindowHistory,
    bin_seconds,
    piece_seconds,
)

HOUR = timedelta(hours=1)
BIN = timedelta(seconds=300)


class Database:
    """One point for every bin; reading takes `seconds`."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.seconds = 0.1
        self.asked: list[tuple[float, float]] = []
        self.generation = 0

    def read(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        self.clock.sleep(self.seconds)
        self.asked.append(((since - START) / HOUR, (until - START) / HOUR))
        bins = range(-(-int(since.timestamp()) // 300), -(-int(until.timestamp()) // 300))
        return [{"at": datetime.fromtimestamp(300 * n, START.tzinfo), "value": self.generation} for n in bins]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def history(database: Database) -> WindowHistory:
    return WindowHistory(database.read, database.clock, 300)


def test_all_points_are_there_once_and_in_order(history: WindowHistory):
    points, complete = history.points(START - 6 * HOUR, START + 7 * BIN, 60.0)

    assert complete
    assert [one["at"] for one in points] == [START - 6 * HOUR + n * BIN for n in range(72 + 7)]


def test_a_second_look_reads_only_what_may_have_changed(history: WindowHistory, database: Database):
    first, _ = history.points(START - 6 * HOUR, START, 60.0)
    database.asked.clear()

    second, complete = history.points(START - 6 * HOUR, START, 60.0)

    assert (second, complete) == (first, True)
    assert database.asked == [(-0.5, 0.0)]


def test_what_takes_too_long_is_read_newest_first_over_several_looks(history: WindowHistory, database: Database):
    database.seconds = 1.0
    lengths = []
    for _ in range(4):
        points, complete = history.points(START - 6 * HOUR, START, 2.5)
        assert points[-1]["at"] == START - BIN
        assert points[0]["at"] == START - (len(points)) * BIN
        lengths.append((len(points), complete))

    # Half an hour that is always read, and two more each time.
    assert lengths == [(18, False), (30, False), (42, False), (54, False)]


def test_a_look_comes_further_even_when_there_is_no_time(history: WindowHistory):
    for _ in range(11):
        _, complete = history.points(START - 6 * HOUR, START, 0.0)

    assert complete


def test_old_pieces_are_read_again_one_at_a_time_so_that_late_windows_are_seen(
    history: WindowHistory, database: Database
):
    history.points(START - 6 * HOUR, START, 60.0)
    database.generation = 1
    database.clock.sleep(120)
    for _ in range(11):
        points, _ = history.points(START - 6 * HOUR, START, 60.0)

    assert {one["value"] for one in points} == {1}


def test_what_nobody_asks_for_is_forgotten_after_a_while(history: WindowHistory, database: Database):
    history.points(START - 6 * HOUR, START, 60.0)
    database.clock.sleep(KEPT_SECONDS - 10)
    history.points(START - HOUR, START, 60.0)
    database.clock.sleep(20)
    database.asked.clear()

    points, complete = history.points(START - 2 * HOUR, START, 60.0)

    assert (len(points), complete) == (24, True)
    assert sorted(database.asked) == [(-2.0, -1.5), (-1.5, -1.0), (-0.5, 0.0)]


def test_those_who_look_at_different_times_do_not_make_each_other_read_anew(history: WindowHistory, database: Database):
    times = [(START - 6 * HOUR, START - 4 * HOUR), (START - HOUR, START)]
    for since, until in times:
        history.points(since, until, 60.0, START)
    database.asked.clear()

    found = [history.points(since, until, 60.0, START) for since, until in times]

    assert [(len(points), complete) for points, complete in found] == [(24, True), (12, True)]
    assert database.asked == [(-0.5, 0.0)]


def test_a_time_that_goes_on_begins_with_a_bin_and_keeps_its_first_piece_as_well(
    history: WindowHistory, database: Database
):
    for seconds in (0, 40):
        until = START + timedelta(seconds=100 + seconds)
        database.asked.clear()
        points, complete = history.points(until - 6 * HOUR, until, 60.0)
        assert complete
        assert points[0]["at"] == START - 6 * HOUR

    assert [since for since, _ in database.asked] == [-0.5]
    history.points(START - timedelta(minutes=10), START, 60.0)
    assert database.asked[-1] == (-1 / 6, 0.0)


def test_a_time_without_length_has_no_points(history: WindowHistory, database: Database):
    assert history.points(START, START, 60.0) == ([], True)
    assert database.asked == []


def test_a_time_that_ends_beyond_now_is_read_anew_from_what_may_still_change_on(
    history: WindowHistory, database: Database
):
    for _ in range(2):
        database.asked.clear()
        history.points(START - HOUR, START + HOUR, 60.0, START)

    assert database.asked == [(-0.5, 1.0)]


@given(st.integers(0, 7 * 24 * 12), st.integers(0, 24 * 12), st.integers(0, 100))
def test_longer_pieces_bring_the_same_points_and_ask_less(first, length, points):
    since, until = START - first * BIN, START - first * BIN + length * BIN
    plain, longer = Database(), Database()

    wanted, _ = WindowHistory(plain.read, plain.clock, 300).points(since, until, 1e9, START)
    found, complete = WindowHistory(longer.read, longer.clock, 300, points).points(since, until, 1e9, START)

    assert complete
    assert found == wanted
    assert len(longer.asked) <= len(plain.asked)


def test_a_week_is_a_question_for_each_day_that_is_over(database: Database):
    history = WindowHistory(database.read, database.clock, 1800, 48)

    history.points(START - 7 * 24 * HOUR, START, 1e9)

    whole_days = [(begin, end) for begin, end in database.asked if end - begin == 24]
    assert len(whole_days) in (6, 7)
    assert len(database.asked) <= 7 + 48


def test_histories_are_kept_by_question_and_bin_and_the_last_of_them_alone(database: Database):
    histories = Histories(database.clock)
    database.seconds = 0.001

    def look(key: int, width: int) -> int:
        database.asked.clear()
        histories.points(key, database.read, START - HOUR, START, START, width)
        return len(database.asked)

    assert [look(1, 300), look(1, 300), look(2, 300), look(1, 60)] == [2, 1, 2, 10 + 1]
    for key in range(3, 3 + HISTORIES):
        look(key, 300)
    assert look(1, 300) == 2


@pytest.mark.parametrize("one", BINS)
def test_no_bin_lies_in_two_pieces(one):
    assert piece_seconds(one) % one == 0


@given(st.floats(SHORTEST_SECONDS, LONGEST_SECONDS))
def test_a_trace_has_at_most_2000_points_and_as_many_as_a_chart_can_show_where_that_can_be(seconds):
    for points in (POINTS, WIDE_POINTS):
        width = bin_seconds(seconds, points)

        assert seconds / width <= POINTS_LIMIT
        assert seconds / width <= points or width == BINS[-1]
        assert width == BINS[0] or seconds / BINS[BINS.index(width) - 1] > points

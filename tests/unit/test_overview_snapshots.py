"""The figures of a snapshot that come from the queries' progress, and an alarm as a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from stored import START

from pipeline import supply


def batches(*rows: tuple[float, int | None], **more: Any) -> list[dict[str, Any]]:
    """Batches, newest first, of (second, rows)."""
    return [
        {"query_id": "q", "at": START + timedelta(seconds=second), **({} if count is None else {"rows": count}), **more}
        for second, count in rows
    ]


def rate(*rows: tuple[float, int | None], now: float = 100.0) -> float | None:
    return supply.throughput(batches(*rows), START + timedelta(seconds=now))


def test_throughput_counts_what_came_after_the_first_batch_of_the_last_10_seconds():
    assert rate((100, 2000), (98, 2000), (96, 2000)) == 1000
    assert rate((99, 5000), (94, 5000), (89, 5000), (84, 999_999)) == 1000
    assert rate((99, 30_000), (69, 1)) == 1000


def test_throughput_is_unknown_with_one_batch_and_nought_when_nothing_comes():
    assert rate() is None
    assert rate((99, 5)) is None
    assert rate((60, 5000), (50, 5000)) == 0
    assert rate((99, 0), (89, 0)) == 0


def test_reports_at_one_instant_or_without_rows_are_no_error():
    assert rate((99, 5), (99, 5)) is None
    assert rate((99, None), (89, 10)) == 0


@pytest.mark.parametrize(
    ("newest_first", "where"),
    [
        ([], "silent"),
        (batches((39, 10)), "silent"),
        (batches((41, 10)), "working"),
        (batches((71, 0), (70, 10)), "idle"),
        (batches((99, 10), (98, 0)), "working"),
        (batches((99, None), (40, 10)), "working"),
        (batches((99, None), state="waiting"), "waiting"),
    ],
)
def test_where_new_readings_stay_is_told_by_the_batches(newest_first, where):
    assert supply.supply(newest_first, START + timedelta(seconds=100)) == where

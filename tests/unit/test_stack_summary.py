from __future__ import annotations

import pytest

from pipeline import ledger, stack_summary
from pipeline.oracle import Verdict
from pipeline.oracle_alerts import AlertsResult
from pipeline.oracle_windows import WindowsResult
from pipeline.stack_summary import Summary

FIRST, SECOND = "00000000000a", "00000000000b"
TABLE = "----\nTime: 2023-12-18 21:04:20.085419, collected {} sensor records\nStatistics by Sensor Type:\n"


def test_the_consumers_last_table_says_how_many_were_read(tmp_path):
    log = tmp_path / "consumer.log"
    log.write_text("12:00:00 INFO reading\n" + TABLE.format(119) + "12:00:05 INFO lag 3\n" + TABLE.format(1240))

    assert stack_summary.collected(log) == 1240


def test_without_a_table_nothing_was_read(tmp_path):
    assert stack_summary.collected(tmp_path / "missing") == 0


def test_sent_and_acknowledged_are_those_of_these_runs_alone(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for run, count in ((FIRST, 5), (SECOND, 7)):
        about = ledger.RunLine(run=run, version=1, seed=1, start="2026-01-01T00:00:00Z", topic="t", sensors=1)
        ledger.begin(path, about)
        writer = ledger.LedgerWriter(path, run)
        for _ in range(count):
            writer.sent(1)
        writer.close()

    assert stack_summary.produced(path, [SECOND]) == (7, 0)
    assert stack_summary.produced(path, [FIRST, SECOND]) == (12, 0)
    assert stack_summary.produced(path, ["00000000000c"]) == (0, 0)
    assert stack_summary.produced(tmp_path / "missing", [SECOND]) == (0, 0)


@pytest.mark.parametrize(
    ("sent", "acknowledged", "read", "whole", "verdict"),
    [
        (10, 10, 10, True, "Everything that was sent was acknowledged and read"),
        (10, 10, None, True, "Everything that was sent was acknowledged"),
        (10, 9, 9, False, "Not everything that was sent was acknowledged and read"),
        (10, 10, 9, False, "Not everything that was sent was acknowledged and read"),
        (10, 10, 11, False, "Not everything that was sent was acknowledged and read"),
        (0, 0, 0, False, "Nothing was sent"),
        (None, None, 4, True, "No producer ran: there is nothing to compare"),
    ],
)
def test_a_run_is_whole_when_every_message_arrived(sent, acknowledged, read, whole, verdict):
    summary = Summary(sent, acknowledged, read, seconds=1.0)

    assert (summary.whole, summary.verdict()) == (whole, verdict)


def test_the_figures_are_those_of_the_services_that_ran():
    assert Summary(12_345, 12_340, None, 1.0).figures() == [
        ("sent", "12,345"),
        ("acknowledged", "12,340"),
        ("failed", "5"),
    ]


def test_what_the_comparison_tells_is_not_told_twice():
    assert Summary(12_345, 12_345, 12_345, 1.0, comparison(agrees=True)).figures() == [("read", "12,345")]


def comparison(*, agrees: bool) -> Verdict:
    return Verdict([], WindowsResult(problem=None if agrees else "no window"), AlertsResult(), dropped=0, late=0)


@pytest.mark.parametrize(
    ("read", "agrees", "verdict"),
    [
        (10, True, "Everything that was sent was acknowledged, read and stored"),
        (None, True, "Everything that was sent was acknowledged and stored"),
        (10, False, "Not everything that was sent was acknowledged, read and stored"),
    ],
)
def test_where_the_spark_job_ran_the_comparison_with_mongodb_decides_as_well(read, agrees, verdict):
    summary = Summary(10, 10, read, seconds=1.0, comparison=comparison(agrees=agrees))

    assert (summary.whole, summary.verdict()) == (agrees, verdict)

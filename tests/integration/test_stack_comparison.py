"""A bounded run of the stack ends with the comparison of what was sent with what is stored."""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest
import stored
from harness import free_port, quiet_display

import stack
from pipeline import ledger, options, rules, runtime, stack_parts, stack_summary, stack_up
from pipeline.faults import Fault
from pipeline.ledger import LedgerWriter, RunLine
from pipeline.messages import Message
from pipeline.oracle import Verdict
from pipeline.services import Service, tail
from pipeline.stack_parts import Part, Plan
from pipeline.store import Store
from pipeline.store_writes import write_readings, write_windows


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The ledger of the first 40 readings of 4 sensors."""
    path = tmp_path / "ledger.jsonl"
    ledger.begin(path, RunLine(run=stored.RUN, version=1, seed=1, start="x", topic="sensor-data", sensors=4))
    writer = LedgerWriter(path, stored.RUN)
    for number in range(40):
        writer.sent(1)
        writer.acknowledged(Message(b"", b"", number % 4, number // 4, 0, False, Fault.NONE), 0, number)
    writer.close()
    return path


def compare(
    target: Store, path: Path, run: str = stored.RUN, *, seconds: float = 60.0, **more: Any
) -> tuple[Verdict | None, str]:
    with quiet_display().step("verify") as step:
        verdict = stack_summary.compared(target, path, [run], rules.load(None), step, seconds=seconds, **more)
        return verdict, step.result


def test_what_is_stored_whole_agrees(book, target):
    readings = stored.readings(40)
    values = [one["value"] for one in readings]
    write_readings(target, readings)
    spread = {"avg": statistics.fmean(values), "min": min(values), "max": max(values), "std": statistics.stdev(values)}
    write_windows(target, [{**stored.window(0, count=40), **spread}])

    verdict, result = compare(target, book)

    assert verdict
    assert verdict.agrees
    assert result == "all is stored"


def test_what_is_not_stored_is_waited_for_until_the_time_is_up_or_somebody_gives_up(book, target):
    write_readings(target, stored.readings(39))
    looks = 0

    def give_up() -> bool:
        nonlocal looks
        looks += 1
        return looks == 3

    for limits in ({"seconds": 0.1}, {"give_up": give_up}):
        verdict, result = compare(target, book, **limits)

        assert verdict
        assert [run.missing for run in verdict.runs] == [1]
        assert result == "not all is as it was sent"
    assert looks == 3


def test_where_the_producer_never_began_there_is_nothing_to_compare(book, target, tmp_path):
    for path, run in ((book, "0000000000ff"), (tmp_path / "missing", stored.RUN)):
        assert compare(target, path, run) == (None, "nothing was sent")


def lander(*, database: str) -> Part:
    """A service in the place of the Spark job, that stores what comes."""

    def make(plan: Plan) -> Service:
        log = plan.logs / "spark.log"
        words = (plan.servers, options.TOPIC.default, plan.mongo_uri, database)
        return Service(
            name="spark",
            command=(sys.executable, str(runtime.ROOT / "tests" / "lander.py"), *words),
            healthy=lambda: "landing" in tail(log, 5),
            log=log,
            environment={"PYTHONPATH": str(runtime.ROOT)},
        )

    return Part("spark", make)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "nothing stored"])
def test_a_bounded_run_with_a_spark_job_ends_with_the_comparison(tmp_path, monkeypatch, capfd, whole):
    # given: one that stores in the database of the stack, or in another one
    database = str(options.DATABASE.default) if whole else "elsewhere"
    monkeypatch.setitem(stack_parts.PARTS, "spark", lander(database=database))
    monkeypatch.setattr(stack_up, "STORE_SECONDS", 60.0 if whole else 1.0)
    ports = ("--kafka-port", str(free_port()), "--mongo-port", str(free_port()))
    words = ("--sensors", "20", "--rate", "200", "--seconds", "3", "--interval", "1")

    # when
    code = stack.main(["up", "--data-dir", str(tmp_path / "data"), *ports, *words])

    # then
    out, err = capfd.readouterr()
    row = r"^ *[0-9a-f]{12} .* 600 +600 +600 +" + ("600 +0 +0" if whole else "0 +600 +0") + " +0 +0 of 0 *$"
    assert re.search(row, out, re.MULTILINE), out + err
    assert "not all is as it was sent" in err or whole
    verdict = "Everything" if whole else "Not everything"
    assert f"{verdict} that was sent was acknowledged, read and stored" in err
    assert code == (0 if whole else 1)

"""How each part is judged by the batches that were reported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from stored import START

from docs import generate
from pipeline import pipeline_states as states

NOW = START + timedelta(hours=1)
QUERIES = ("router", "readings", "windows")


def batch(age: float, **more: Any) -> dict[str, Any]:
    """A batch that began so many seconds ago."""
    figures = {"rows": 2000, "lag": 0, "input_rows_per_second": 1000.0, "batch_seconds": 0.5, "trigger_seconds": 2.0}
    return {"at": NOW - timedelta(seconds=age), "state": "running", "mode": "micro-batch", **figures, **more}


def sign(age: float, **more: Any) -> dict[str, Any]:
    """A sign of life, which tells no figure."""
    return {"at": NOW - timedelta(seconds=age), "state": "running", "mode": "micro-batch", **more}


def series(count: int = 10, **more: Any) -> list[dict[str, Any]]:
    return [batch(1 + 2 * number, **more) for number in range(count)]


WELL = series()
WAITING = sign(1, state="waiting", waits_for="Kafka")


@pytest.mark.parametrize(
    ("readings", "state", "said"),
    [
        (WELL, "good", "1,000 messages a second."),
        ([batch(1, rows=0), batch(3)], "good", "1,000 messages a second."),
        ([batch(1, input_rows_per_second=0.0)], "good", "Messages come now and then."),
        ([batch(5, rows=0)], "good", "Messages come now and then."),
        ([batch(1, rows=0), batch(11, rows=0), batch(40)], "bad", "No message has come for 40 s."),
        ([batch(1, rows=0), batch(300, rows=0)], "bad", "No message has come for more than 5 min."),
        # At work on a long batch.
        ([sign(1), batch(200)], "unknown", "Not known before the readings query has done its batch."),
        ([sign(1)], "unknown", "Not known before the readings query has done its batch."),
        ([WAITING, *WELL], "unknown", "Not known while the readings query does not read."),
        ([batch(61)], "unknown", "Not known while the readings query does not read."),
        ([], "unknown", "Not known while the readings query does not read."),
    ],
)
def test_producers_are_seen_by_the_messages_that_arrive(readings, state, said):
    part = states.producer({"readings": readings}, NOW)

    assert (part.state, part.what) == (state, said)
    assert bool(part.command) == (state == "bad")


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        ({"readings": WELL, "windows": WELL}, "good"),
        ({"readings": WELL, "windows": [WAITING]}, "bad"),
        ({"readings": [sign(1, state="waiting", waits_for="MongoDB")]}, "unknown"),
        ({"readings": [sign(61, state="waiting", waits_for="Kafka")]}, "unknown"),
        ({"readings": []}, "unknown"),
    ],
)
def test_the_broker_is_seen_by_the_job(progress, state):
    assert states.broker(progress, NOW).state == state


@pytest.mark.parametrize(
    ("batches", "state", "said"),
    [
        (WELL, "good", "It keeps up."),
        ([sign(1), batch(50)], "good", "It keeps up."),
        ([sign(1)], "good", "At work on its first batch."),
        ([], "unknown", "Not heard of yet."),
        ([batch(7300)], "bad", "Not heard of for 2 h."),
        ([WAITING, *WELL], "bad", "It waits for Kafka."),
        ([sign(1, state="waiting")], "bad", "It waits for a server."),
        (
            [sign(1, mode="real-time"), batch(50, mode="real-time", batch_seconds=300.0)],
            "good",
            "At work in real time.",
        ),
        ([batch(1, lag=90_000), *series(9, lag=80_000)], "bad", "90,000 messages behind, and not catching up."),
        ([batch(1, lag=90_000), *series(9, lag=95_000)], "warn", "90,000 messages behind, and catching up."),
        ([batch(1, lag=30_000)], "warn", "30,000 messages behind."),
        # So many come in a quarter of a minute, or so few are they that no one would call it a backlog.
        ([batch(1, lag=15_000)], "good", "It keeps up."),
        ([batch(1, lag=30_000, trigger_seconds=10.0)], "good", "It keeps up."),
        ([batch(1, lag=1000, input_rows_per_second=1.0)], "good", "It keeps up."),
        (series(batch_seconds=2.3), "good", "It keeps up."),
        (series(batch_seconds=3.04), "warn", "Batches take 3.0 s, and one is due every 2 s."),
        (series(4, batch_seconds=3.0), "good", "It keeps up."),
        (series(rows=0, batch_seconds=3.0), "good", "It keeps up."),
        (series(batch_seconds=3.0, trigger_seconds=None), "good", "It keeps up."),
    ],
)
def test_a_query_is_judged_by_its_newest_batches(batches, state, said):
    part = states.query("windows", {"windows": batches}, NOW)

    assert (part.state, part.what) == (state, said)
    assert bool(part.todo) == (state != "good")


def test_batches_that_take_too_long_are_helped_by_a_longer_trigger():
    part = states.query("readings", {"readings": series(batch_seconds=3.04)}, NOW)

    assert part.todo.endswith("a longer --trigger.")


@pytest.mark.parametrize(
    ("disk", "state", "said"),
    [
        (None, "good", "It answers."),
        ((0, 0), "good", "It answers."),
        ((84, 100), "good", "It answers. Its disk is 84 % full."),
        ((85, 100), "warn", "Its disk is 85 % full."),
        ((95, 100), "bad", "Its disk is 95 % full."),
    ],
)
def test_a_disk_that_fills_is_told_before_it_is_full(disk, state, said):
    part = states.mongodb({"readings": WELL}, NOW, disk)

    assert (part.state, part.what) == (state, said)


def test_a_database_that_the_job_cannot_write_to_is_not_well():
    waiting = [sign(1, waits_for="MongoDB")]

    assert states.mongodb({"readings": waiting}, NOW, (1, 100)).state == "bad"
    assert states.mongodb({"readings": [sign(61, waits_for="MongoDB")]}, NOW, (1, 100)).state == "good"


def test_all_parts_are_told_in_the_order_in_which_a_reading_meets_them():
    progress: dict[str, Sequence[dict[str, Any]]] = dict.fromkeys(QUERIES, WELL)

    assert [part.name for part in states.parts(QUERIES, progress, NOW)] == [
        "producer",
        "broker",
        *QUERIES,
        "mongodb",
    ]


def test_advice_for_two_kinds_of_work_in_the_same_batches_is_given_once():
    slow = [{**one, "batch_id": 9 - number} for number, one in enumerate(series(batch_seconds=3.04))]
    apart = [{**one, "batch_id": one["batch_id"] + 1} for one in slow]

    def said(windows):
        parts = states.parts(QUERIES, {"readings": [sign(1), *slow], "windows": windows}, NOW)
        return {part.name: (part.state, part.what, bool(part.todo)) for part in parts if part.name in QUERIES[1:]}

    long = "Batches take 3.0 s, and one is due every 2 s."
    assert said([sign(1), *slow]) == {
        "readings": ("warn", long, True),
        "windows": ("warn", "The same query as readings.", False),
    }
    assert said([sign(1), *apart])["windows"] == ("warn", long, True)


def test_every_command_that_is_advised_is_understood():
    parsers = {f"python {name}": make for name, make in generate.PARSERS.items()}
    troubled = [
        *states.parts(QUERIES, {"readings": [batch(1, rows=0), batch(99)], "windows": [WAITING]}, NOW, (99, 100)),
        *states.parts(QUERIES, {"readings": [batch(7000)]}, NOW),
    ]
    commands = {part.command for part in troubled if part.command} | {states.START_MONGODB}

    assert len(commands) == 5
    for command in commands:
        python, script, *words = command.split()
        parsers[f"{python} {script}"]().parse_args(words)

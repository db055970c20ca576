"""Every part killed (kill -9) and frozen (SIGSTOP) in the middle of a thousand readings a second."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from harness import await_condition
from jobs import START_SECONDS
from pipelines import PARTS, Pipeline
from random_faults import break_at_random
from topics import read_all

from pipeline import store_alarms, store_queries

pytestmark = pytest.mark.timeout(10 * START_SECONDS)

# What a server is called by the job that waits for it.
SERVERS = {"kafka": "Kafka", "mongo": "MongoDB"}


def test_every_part_is_killed_once_and_frozen_for_a_while_and_then_any_at_random(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
):
    pipeline.start_driver()
    # A producer that is started again sends the same values once more, under other ids.
    pipeline.start_producer("--seed", 4)
    pipeline.await_stored(1000)
    await_condition(lambda: bool(pipeline.alarms()), "an alarm")
    alarm = next(iter(pipeline.alarms()))
    store_alarms.acknowledge(pipeline.job.target, [alarm], "Ada", datetime.now(UTC))

    for part in PARTS:
        pipeline.kill(part)
        if part in SERVERS:
            pipeline.driver.await_output(
                f"{SERVERS[part]} is away: waiting for it, nothing is lost", seconds=START_SECONDS
            )
        if part == "mongo":
            assert_alerts_still_come(pipeline)
        pipeline.mend(part)
        if part in SERVERS:
            pipeline.driver.await_output(f"{SERVERS[part]} answers again", seconds=START_SECONDS)
    for part in PARTS:
        pipeline.freeze(part)
        pipeline.hold(5)
        pipeline.mend(part)
    with capsys.disabled():
        break_at_random(pipeline, seconds=60, seed=1)

    pipeline.end_producer()
    judged = pipeline.assert_all_is_well()
    # What a killed producer sent and did not live to see acknowledged may be there as well.
    assert pipeline.stored() == len(judged.distinct) >= pipeline.acknowledged()
    assert pipeline.alarms()[alarm]["acknowledged"]["by"] == "Ada"


def assert_alerts_still_come(pipeline: Pipeline) -> None:
    def count() -> int:
        return len(read_all(pipeline.servers.bootstrap, pipeline.job.alerts_topic))

    before = count()
    await_condition(lambda: count() > before, "alerts while MongoDB is away")


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_five_times_loses_nothing_and_repeats_nothing(pipeline: Pipeline, part: str):
    rng = random.Random(4)
    pipeline.start_driver()
    pipeline.start_producer("--seed", 4)
    for _ in range(5):
        # At any moment of a batch, of which there is one every second or two.
        pipeline.await_more(3 * rng.random())
        pipeline.kill(part)
        pipeline.mend(part)

    pipeline.end_producer()
    judged = pipeline.assert_all_is_well()
    assert pipeline.stored() == len(judged.distinct) >= pipeline.acknowledged()


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_hangs_for_a_minute_loses_nothing(pipeline: Pipeline, part: str):
    driver = pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(1000)

    pipeline.freeze(part)
    pipeline.hold(60)
    pipeline.mend(part)

    pipeline.end_producer()
    pipeline.assert_all_is_well()
    assert driver.process.poll() is None


@pytest.mark.long
def test_the_broker_is_away_for_five_minutes_while_the_producer_goes_on(pipeline: Pipeline):
    pipeline.start_driver()
    # What is made meanwhile fits into the producer's buffer.
    pipeline.start_producer("--buffer", 1_000_000)
    pipeline.await_stored(1000)

    pipeline.kill("kafka")
    pipeline.hold(300)
    pipeline.mend("kafka")

    pipeline.end_producer()
    pipeline.assert_all_is_well()
    # One partition's backlog does not make another's too late, although the outage was longer than the watermark.
    assert store_queries.totals(pipeline.job.target, "windows").get("late", 0) == 0


@pytest.mark.long
def test_a_driver_that_is_killed_between_the_write_and_the_commit_repeats_nothing(pipeline: Pipeline):
    pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(3000)

    def caught() -> bool:
        before = pipeline.stored()
        await_condition(lambda: pipeline.stored() > before, "another batch is being written")
        pipeline.freeze("driver")
        if pipeline.is_written_but_not_committed("readings"):
            return True
        pipeline.thaw("driver")
        return False

    await_condition(caught, "a moment between write and commit", START_SECONDS)
    pipeline.kill("driver")
    pipeline.mend("driver")

    pipeline.end_producer()
    pipeline.assert_all_is_well()


@pytest.mark.long
def test_a_random_schedule_of_faults_loses_nothing(
    pipeline: Pipeline, chaos_seconds: float, chaos_seed: int, capsys: pytest.CaptureFixture[str]
):
    pipeline.start_driver()
    pipeline.start_producer(
        *("--duplicate-rate", 0.05, "--malformed-rate", 0.01, "--late-rate", 0.02, "--late-by", 5, "--seed", chaos_seed)
    )
    with capsys.disabled():
        break_at_random(pipeline, seconds=chaos_seconds, seed=chaos_seed)

        pipeline.end_producer()
        judged = pipeline.assert_all_is_well()
        print(f"  {len(judged.distinct):,} readings, {len(judged.refused):,} dead letters; none missing, none twice")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chaos_seconds" in metafunc.fixturenames:
        seconds = metafunc.config.getoption("chaos_seconds")
        metafunc.definition.add_marker(pytest.mark.timeout(seconds + 6 * START_SECONDS))

"""A backlog that is worked off in one pass: what breaks in the middle of it costs nothing, and it goes on live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from harness import await_condition
from jobs import START_SECONDS, assert_ended_well
from judged import Judged
from pipelines import RATE, Pipeline
from topics import read_all

from pipeline import rules
from pipeline.events import decode_alert, parse_dead_letter

pytestmark = pytest.mark.timeout(5 * START_SECONDS)

READINGS, LIMIT = 30_000, 2000
AVAILABLE_NOW = ("--available-now", "--max-offsets-per-trigger", LIMIT)
NAMES = {"mongo": "MongoDB", "kafka": "Kafka"}


def with_backlog(pipeline: Pipeline) -> None:
    """Let the topic have one."""
    begin = datetime.now(UTC) - timedelta(seconds=READINGS / RATE)
    pipeline.start_producer("--count", READINGS, "--unpaced", "--start", begin.isoformat(), "--malformed-rate", 0.01)
    done = pipeline.producer.wait()
    assert done.code == 0, done.stderr


def alerts_on_the_topic(pipeline: Pipeline) -> list[str]:
    records = read_all(pipeline.servers.bootstrap, pipeline.job.alerts_topic)
    return [decode_alert(record.value()).alert_id for record in records]


def assert_all_is_stored_and_sent(pipeline: Pipeline) -> Judged:
    """Besides what is in MongoDB: no alert and no dead letter is missing on its topic."""
    judged = pipeline.assert_all_is_well()
    assert set(alerts_on_the_topic(pipeline)) == {one.alert_id for one in judged.alerts(rules.load(None))}
    records = read_all(pipeline.servers.bootstrap, pipeline.job.dead_letter_topic)
    letters = [parse_dead_letter(one.key(), one.value(), one.headers()) for one in records]
    assert {(one.original_partition, one.original_offset) for one in letters} == judged.refused.keys() != set()
    return judged


def test_a_job_that_is_killed_and_servers_that_are_away_in_the_middle_cost_nothing(pipeline: Pipeline):
    with_backlog(pipeline)
    pipeline.start_driver(*AVAILABLE_NOW)
    pipeline.await_stored(LIMIT)
    pipeline.kill("driver")
    assert pipeline.stored() < READINGS
    driver = pipeline.start_driver(*AVAILABLE_NOW)

    # The job that waits for each of them is the one that ends well.
    for number, (part, name) in enumerate(NAMES.items(), 1):
        # A piece later each, so that something was worked off in between.
        pipeline.await_stored((2 * number + 1) * LIMIT)
        pipeline.servers.kill(part)
        driver.await_output(f"{name} is away: waiting for it, nothing is lost", seconds=START_SECONDS)
        pipeline.servers.start(part)
        driver.await_output(f"{name} answers again", seconds=START_SECONDS)

    assert_ended_well(driver.wait(START_SECONDS))
    assert_all_is_stored_and_sent(pipeline)


def test_the_live_job_goes_on_where_the_backlog_ended(pipeline: Pipeline):
    with_backlog(pipeline)
    assert_ended_well(pipeline.start_driver(*AVAILABLE_NOW).wait(START_SECONDS))
    worked_off = alerts_on_the_topic(pipeline)

    pipeline.start_producer("--seed", 8)
    pipeline.start_driver()
    pipeline.await_stored(READINGS + 2000)
    await_condition(lambda: len(alerts_on_the_topic(pipeline)) > len(worked_off), "alerts in real time")
    pipeline.end_producer()
    judged = assert_all_is_stored_and_sent(pipeline)
    pipeline.end_driver()

    # Nothing was read twice, so that no alert was sent twice.
    sent = alerts_on_the_topic(pipeline)
    assert len(set(sent)) == len(sent) > len(worked_off) > 0
    assert pipeline.stored() == len(judged.distinct)

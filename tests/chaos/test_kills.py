"""kill -9 of each part, in the middle of a thousand readings a second."""

from __future__ import annotations

import random

import pytest
from harness import await_condition
from jobs import START_SECONDS
from pipelines import Pipeline
from stored import opened

pytestmark = pytest.mark.timeout(5 * START_SECONDS)

TIMES = [1, pytest.param(5, marks=pytest.mark.long)]


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("name", ["kafka", "mongo"])
def test_a_server_that_is_killed_loses_nothing(pipeline: Pipeline, name: str, times: int):
    pipeline.start_driver()
    pipeline.start_producer()
    for _ in range(times):
        pipeline.await_stored(pipeline.stored() + 2000)

        pipeline.kill(name)
        pipeline.mend(name, "kill")

    pipeline.await_more(5)
    pipeline.end_producer()
    pipeline.assert_all_is_well()


@pytest.mark.parametrize("times", TIMES)
def test_a_driver_that_is_killed_loses_nothing_and_repeats_nothing(pipeline: Pipeline, times: int):
    rng = random.Random(times)
    pipeline.start_driver()
    pipeline.start_producer()
    for _ in range(times):
        # At any moment of a batch, of which there is one a second or so.
        pipeline.await_more(2 + 3 * rng.random())

        pipeline.kill("driver")
        pipeline.start_driver()

    pipeline.await_stored(pipeline.acknowledged())
    pipeline.end_producer()
    pipeline.assert_all_is_well()


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

    await_condition(caught, "a moment between write and commit")
    pipeline.kill("driver")
    pipeline.start_driver()

    pipeline.await_stored(pipeline.acknowledged())
    pipeline.end_producer()
    pipeline.assert_all_is_well()


def test_what_a_killed_producer_had_acknowledged_is_stored_and_another_goes_on(pipeline: Pipeline):
    pipeline.start_driver()
    pipeline.start_producer("--seed", 4)
    pipeline.await_more(5)

    pipeline.kill("producer")
    # The same values again, under other ids.
    pipeline.mend("producer", "kill")
    pipeline.await_more(5)

    pipeline.end_producer()
    judged = pipeline.assert_all_is_well()
    assert len(judged.distinct) >= pipeline.acknowledged()
    with opened(pipeline.servers.uri, pipeline.job.target.database) as database:
        assert database["sensor_metrics"].count_documents({}) == len(judged.distinct)

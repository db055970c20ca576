"""kill -9 of each part, in the middle of a thousand readings a second."""

from __future__ import annotations

import random

import pytest
from harness import await_condition
from jobs import START_SECONDS
from pipelines import PARTS, Pipeline

pytestmark = pytest.mark.timeout(10 * START_SECONDS)

KILLS = [
    pytest.param(PARTS, id="each once"),
    *(pytest.param([part] * 5, id=f"{part} five times", marks=pytest.mark.long) for part in PARTS),
]


@pytest.mark.parametrize("killed", KILLS)
def test_parts_that_are_killed_lose_nothing_and_repeat_nothing(pipeline: Pipeline, killed: list[str]):
    rng = random.Random(4)
    pipeline.start_driver()
    # A producer that is started again sends the same values once more, under other ids.
    pipeline.start_producer("--seed", 4)
    for part in killed:
        pipeline.await_stored(pipeline.stored() + 1000)
        # At any moment of a batch, of which there is one a second or so.
        pipeline.await_more(3 * rng.random())

        pipeline.kill(part)
        pipeline.mend(part, "kill")

    pipeline.await_stored(pipeline.acknowledged())
    pipeline.end_producer()
    judged = pipeline.assert_all_is_well()
    # What a killed producer sent and did not live to see acknowledged may be there as well.
    assert pipeline.stored() == len(judged.distinct) >= pipeline.acknowledged()


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
    pipeline.start_driver()

    pipeline.await_stored(pipeline.acknowledged())
    pipeline.end_producer()
    pipeline.assert_all_is_well()

"""What people do to a job by mistake."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest
from harness import await_condition
from jobs import START_SECONDS
from pipelines import Pipeline

from pipeline import store_alarms

pytestmark = [pytest.mark.timeout(5 * START_SECONDS), pytest.mark.long]


def test_a_second_driver_on_the_same_checkpoint_harms_nothing(pipeline: Pipeline):
    first = pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(2000)

    second = pipeline.job.start("--trigger", "1s")

    await_condition(lambda: any(one.process.poll() is not None for one in (first, second)), "one ends", START_SECONDS)
    pipeline.await_more(5)
    pipeline.end_producer()
    pipeline.assert_all_is_well()
    ended = [one for one in (first, second) if one.process.poll() is not None]
    assert len(ended) == 1
    assert "another job uses the same --checkpoint" in ended[0].stderr
    assert "Traceback" not in ended[0].stderr


def test_a_deleted_checkpoint_stores_nothing_twice(pipeline: Pipeline):
    pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(5000)
    alarm = next(iter(pipeline.alarms()))
    store_alarms.acknowledge(pipeline.job.target, [alarm], "Ada", datetime.now(UTC))
    pipeline.end_driver()

    shutil.rmtree(pipeline.job.checkpoint)
    pipeline.start_driver()

    pipeline.await_more(5)
    pipeline.end_producer()
    # Windows that were half read before are written anew as well, from the whole topic.
    pipeline.assert_all_is_well()
    assert pipeline.alarms()[alarm]["acknowledged"]["by"] == "Ada"

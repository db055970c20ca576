"""Each part frozen (SIGSTOP) for a while, as when a machine hangs, and let go on."""

from __future__ import annotations

import time

import pytest
from jobs import START_SECONDS
from pipelines import PARTS, Pipeline

pytestmark = pytest.mark.timeout(5 * START_SECONDS)


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_hangs_loses_nothing(pipeline: Pipeline, part: str, seconds: int):
    pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(2000)

    pipeline.freeze(part)
    # The outage itself.
    time.sleep(seconds)
    pipeline.thaw(part)

    pipeline.await_more(5)
    pipeline.await_stored(pipeline.acknowledged())
    pipeline.end_producer()
    pipeline.assert_all_is_well()
    assert pipeline.driver.process.poll() is None

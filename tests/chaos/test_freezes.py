"""Each part frozen (SIGSTOP) for a while, as when a machine hangs, and let go on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from jobs import START_SECONDS
from pipelines import PARTS, Pipeline

pytestmark = pytest.mark.timeout(10 * START_SECONDS)

FREEZES = [
    pytest.param(PARTS, 5, id="each 5 s"),
    *(pytest.param([part], 60, id=f"{part} 60 s", marks=pytest.mark.long) for part in PARTS),
]


@pytest.mark.parametrize(("frozen", "seconds"), FREEZES)
def test_parts_that_hang_lose_nothing(pipeline: Pipeline, frozen: Sequence[str], seconds: int):
    driver = pipeline.start_driver()
    pipeline.start_producer()
    for part in frozen:
        pipeline.await_stored(pipeline.stored() + 1000)

        pipeline.freeze(part)
        # The outage itself.
        time.sleep(seconds)
        pipeline.thaw(part)

    pipeline.await_more(2)
    pipeline.await_stored(pipeline.acknowledged())
    pipeline.end_producer()
    pipeline.assert_all_is_well()
    assert driver.process.poll() is None

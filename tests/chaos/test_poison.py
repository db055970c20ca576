"""Messages that no reading is, in between a thousand readings a second."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from jobs import START_SECONDS
from pipelines import Pipeline
from topics import write_all

from tests.messages import refused_now

pytestmark = pytest.mark.timeout(3 * START_SECONDS)

# One message in a hundred.
GOOD_FOR_EACH = 100


def test_each_kind_of_poison_is_a_dead_letter_and_every_good_reading_is_stored(pipeline: Pipeline):
    kinds = refused_now(datetime.now(UTC))
    assert len(kinds) > 150
    pipeline.start_driver()
    pipeline.start_producer()
    begun = pipeline.acknowledged()
    for number, payload in enumerate(kinds):
        pipeline.await_acknowledged(begun + number * GOOD_FOR_EACH)
        write_all(pipeline.servers.bootstrap, pipeline.job.topic, [payload], key=b"poison")
    pipeline.end_producer()

    judged = pipeline.assert_all_is_well()

    assert {judged.records[place].value(): code for place, code in judged.refused.items()} == kinds
    assert "again" not in pipeline.driver.stderr
    pipeline.end_driver()

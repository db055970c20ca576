"""Readings that come twice, late, out of order, or from sensors whose clocks are wrong."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from jobs import START_SECONDS
from pipelines import Pipeline
from topics import write_all

from pipeline import store_queries
from tests.messages import message

pytestmark = pytest.mark.timeout(5 * START_SECONDS)

DAY = timedelta(days=1)
OFF = 20


def test_duplicates_disorder_and_wrong_clocks_cost_no_honest_reading(pipeline: Pipeline):
    pipeline.start_driver("--watermark", "60s", "--max-ahead", 10)
    pipeline.start_producer("--duplicate-rate", 0.1, "--late-rate", 0.2, "--late-by", 20)
    pipeline.await_stored(2000)
    now = datetime.now(UTC)
    for off in (DAY, -DAY):
        payloads = [
            message(
                event_id=f'"{uuid.uuid4()}"',
                sensor_id=f'"clock_{off.days:+d}"',
                timestamp=f'"{(now + off + timedelta(seconds=number)).isoformat()}"',
            )
            for number in range(OFF)
        ]
        write_all(pipeline.servers.bootstrap, pipeline.job.topic, payloads, key=b"clock")
    pipeline.await_more(15)
    pipeline.end_producer()

    judged = pipeline.assert_all_is_well()

    assert len(judged.readings) > 1.05 * len(judged.distinct)
    assert sorted(judged.refused.values()) == ["timestamp_ahead"] * OFF
    # The clock that is behind, and nothing else: what is 20 s late lies within the watermark.
    assert store_queries.totals(pipeline.job.target, "windows")["late"] == OFF


@pytest.mark.long
def test_readings_beyond_the_watermark_are_stored_and_counted_as_late(pipeline: Pipeline):
    pipeline.start_driver("--watermark", "30s", "--max-ahead", 5)
    pipeline.start_producer("--late-rate", 0.01, "--late-by", 3600)
    pipeline.await_more(30)
    pipeline.end_producer()

    judged = pipeline.assert_all_is_well()

    assert pipeline.stored() == len(judged.distinct)
    # The first ones come before there is a watermark.
    assert store_queries.totals(pipeline.job.target, "windows")["late"] > 0.005 * len(judged.distinct)

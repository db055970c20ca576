"""Messages that no reading is, and readings that come twice, late, or from sensors whose clocks are wrong."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from harness import await_condition
from jobs import START_SECONDS
from pipelines import Pipeline
from topics import write_all

from pipeline import store_queries, store_writes
from tests.messages import message, refused_now

pytestmark = pytest.mark.timeout(5 * START_SECONDS)

# One message in a hundred is poison.
GOOD_FOR_EACH, AT_ONCE = 100, 20
DAY = timedelta(days=1)
OFF = 20


def readings_of_a_clock_that_is_off(by: timedelta) -> list[bytes]:
    now = datetime.now(UTC)
    return [
        message(
            event_id=f'"{uuid.uuid4()}"',
            sensor_id=f'"clock_{by.days:+d}"',
            timestamp=f'"{(now + by + timedelta(seconds=number)).isoformat()}"',
        )
        for number in range(OFF)
    ]


def test_poison_duplicates_disorder_and_wrong_clocks_cost_no_good_reading(pipeline: Pipeline):
    # given each kind of poison, every tenth reading twice, and every fifth within the watermark late
    kinds = refused_now(datetime.now(UTC))
    assert len(kinds) > 250
    pipeline.start_driver()
    pipeline.start_producer("--rate", 2000, "--duplicate-rate", 0.1, "--late-rate", 0.2, "--late-by", 20)
    begun = pipeline.acknowledged()
    for number, payloads in enumerate(store_writes.batches(kinds, AT_ONCE)):
        pipeline.await_acknowledged(begun + number * AT_ONCE * GOOD_FOR_EACH)
        write_all(pipeline.servers.bootstrap, pipeline.job.topic, payloads, key=b"poison")

    # and a sensor whose clock is a day ahead, and one whose clock is a day behind what is known by now
    await_condition(lambda: pipeline.watermark() is not None, "a watermark", START_SECONDS)
    for off in (DAY, -DAY):
        write_all(pipeline.servers.bootstrap, pipeline.job.topic, readings_of_a_clock_that_is_off(off), key=b"clock")
    pipeline.end_producer()

    # then
    judged = pipeline.assert_all_is_well()
    assert len(judged.readings) > 1.05 * len(judged.distinct)
    refused = {place: judged.records[place].value() for place in judged.refused}
    assert {value: judged.refused[place] for place, value in refused.items() if value in kinds} == kinds
    assert [judged.refused[place] for place, value in refused.items() if value not in kinds] == [
        "timestamp_ahead"
    ] * OFF
    # The clock that is behind, and nothing else.
    assert store_queries.totals(pipeline.job.target, "windows")["late"] == OFF
    assert "again" not in pipeline.driver.stderr
    pipeline.end_driver()


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

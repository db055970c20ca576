"""Messages that no reading is, in between a thousand readings a second."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from jobs import START_SECONDS
from pipelines import RATE, Pipeline
from topics import write_all

from tests.messages import refused_now

pytestmark = pytest.mark.timeout(3 * START_SECONDS)

SHARE = 0.01


def test_each_kind_of_poison_is_a_dead_letter_and_every_good_reading_is_stored(pipeline: Pipeline):
    kinds = refused_now(datetime.now(UTC))
    assert len(kinds) > 150
    pipeline.start_driver()
    pipeline.start_producer()
    ended = threading.Event()

    def pour() -> None:
        while True:
            for payload in kinds:
                write_all(pipeline.servers.bootstrap, pipeline.job.topic, [payload], key=b"poison")
                if ended.wait(1 / (SHARE * RATE)):
                    return

    pouring = threading.Thread(target=pour)
    pouring.start()
    pipeline.await_more(1.1 * len(kinds) / (SHARE * RATE))
    ended.set()
    pouring.join()
    pipeline.end_producer()

    judged = pipeline.assert_all_is_well()

    by_payload = {judged.records[place].value(): code for place, code in judged.refused.items()}
    assert by_payload == kinds
    assert "again" not in pipeline.driver.stderr
    pipeline.end_driver()

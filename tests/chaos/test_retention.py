"""Readings that expire on the topic before the job has read them."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from jobs import START_SECONDS
from pipelines import Pipeline
from topics import read_all

pytestmark = [pytest.mark.timeout(5 * START_SECONDS), pytest.mark.long]


def test_the_job_ends_with_a_line_that_says_so(pipeline: Pipeline):
    pipeline.start_driver()
    pipeline.start_producer()
    pipeline.await_stored(2000)
    pipeline.end_driver()
    pipeline.await_more(2)
    pipeline.end_producer()

    admin = AdminClient({"bootstrap.servers": pipeline.servers.bootstrap})
    ends: dict[int, int] = {}
    for record in read_all(pipeline.servers.bootstrap, pipeline.job.topic):
        ends[record.partition()] = record.offset() + 1
    gone = [TopicPartition(pipeline.job.topic, partition, end) for partition, end in ends.items()]
    for done in admin.delete_records(gone).values():
        done.result(60)
    done = pipeline.job.run("--trigger", "1s")

    assert done.code == 1
    assert "readings were removed from the topic before they were read" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr

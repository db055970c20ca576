"""The network between two parts slowed, and cut for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness import Script
from jobs import START_SECONDS
from links import Link, link_to
from pipelines import Pipeline, broken_pipeline
from servers import Servers

from pipeline.store import Store

pytestmark = [pytest.mark.timeout(5 * START_SECONDS), pytest.mark.long]

DELAY = 0.1


@dataclass(frozen=True)
class Linked:
    """A pipeline, and the link that one of its parts needs."""

    pipeline: Pipeline
    link: Link


@pytest.fixture(params=["producer to kafka", "driver to kafka", "driver to mongo"])
def linked(
    request: pytest.FixtureRequest,
    servers: Servers,
    start_script: Callable[..., Script],
    tmp_path: Path,
    report: Callable[[Pipeline], None],
) -> Iterator[Linked]:
    """A link that lies between two parts."""
    part, server = request.param.split(" to ")
    with ExitStack() as stack:
        link = stack.enter_context(link_to(servers.inner if server == "kafka" else servers.ports["mongo"]))
        if server == "kafka":
            servers.linked = link.port
            servers.stop("kafka")
            servers.start("kafka")
        pipeline = stack.enter_context(broken_pipeline(servers, start_script, tmp_path))
        address = f"127.0.0.1:{link.port}"
        if part == "producer":
            pipeline.brokers = address
        elif server == "kafka":
            pipeline.job = replace(pipeline.job, servers=address)
        else:
            pipeline.job = replace(pipeline.job, target=Store(f"mongodb://{address}", pipeline.job.target.database))
        yield Linked(pipeline, link)
        report(pipeline)


def test_a_slow_link_loses_nothing(linked: Linked):
    linked.link.delay = DELAY
    linked.pipeline.start_driver()
    linked.pipeline.start_producer()

    linked.pipeline.await_more(15)

    linked.pipeline.end_producer()
    linked.pipeline.assert_all_is_well()


def test_a_link_that_is_cut_for_a_minute_loses_nothing(linked: Linked):
    linked.pipeline.start_driver()
    linked.pipeline.start_producer()
    linked.pipeline.await_stored(2000)

    linked.link.cut()
    linked.pipeline.hold(60)
    linked.link.mend()
    linked.pipeline.await_flow("a cut link", time.time())

    linked.pipeline.end_producer()
    linked.pipeline.assert_all_is_well()

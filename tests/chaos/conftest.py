"""Pipelines to break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
from harness import Script
from pipelines import Pipeline, broken_pipeline
from servers import Servers


@pytest.fixture(scope="session", autouse=True)
def _fast_java(fast_java: str) -> str:
    return fast_java


@pytest.fixture
def pipeline(
    servers: Servers,
    start_script: Callable[..., Script],
    tmp_path: Path,
    report: Callable[[Pipeline], None],
) -> Iterator[Pipeline]:
    """A pipeline of the test's own; broker and mongod run, driver and producer do not yet."""
    with broken_pipeline(servers, start_script, tmp_path) as own:
        yield own
        report(own)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Pipeline], None]:
    """Notes the figures of the test's pipeline, where they are asked for and there are any."""

    def note(pipeline: Pipeline) -> None:
        path = request.config.getoption("chaos_report")
        if path and pipeline.outcome:
            with path.open("a", encoding="utf-8") as file:
                print(row(request.node.name, pipeline), file=file)

    return note


def row(test: str, pipeline: Pipeline) -> str:
    """A test's figures as a row of a Markdown table."""
    cells = [test.removeprefix("test_").replace("_", " "), *(f"{count:,}" for count in pipeline.outcome.values())]
    cells.append(median_and_longest([one.flowing for one in pipeline.recoveries]))
    cells.append(median_and_longest([one.caught_up for one in pipeline.recoveries]))
    return f"| {' | '.join(cells)} |"


def median_and_longest(seconds: list[float]) -> str:
    return f"{median(seconds):.1f} s, {max(seconds):.1f} s" if seconds else "–"


@pytest.fixture
def chaos_seconds(pytestconfig: pytest.Config) -> float:
    """How long the random schedule of faults lasts."""
    return float(pytestconfig.getoption("chaos_seconds"))


@pytest.fixture
def chaos_seed(pytestconfig: pytest.Config) -> int:
    """What the random schedule of faults is made from."""
    return int(pytestconfig.getoption("chaos_seed"))

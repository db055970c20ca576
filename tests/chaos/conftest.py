"""Pipelines to break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Script
from pipelines import Pipeline, broken_pipeline
from servers import Servers


@pytest.fixture
def pipeline(servers: Servers, start_script: Callable[..., Script], tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline of the test's own; broker and mongod run, driver and producer do not yet."""
    with broken_pipeline(servers, start_script, tmp_path) as own:
        yield own


@pytest.fixture
def chaos_seconds(pytestconfig: pytest.Config) -> float:
    """How long the random schedule of faults lasts."""
    return float(pytestconfig.getoption("chaos_seconds"))


@pytest.fixture
def chaos_seed(pytestconfig: pytest.Config) -> int:
    """What the random schedule of faults is made from."""
    return int(pytestconfig.getoption("chaos_seed"))

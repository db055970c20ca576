"""One Spark session for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession
from spark_sessions import local_spark


@pytest.fixture(scope="session", autouse=True)
def _fast_java(fast_java: str) -> str:
    return fast_java


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, fast_java: str) -> Iterator[SparkSession]:
    """A session with the Kafka source; Real-time Mode keeps a slot for each of a topic's three partitions."""
    with local_spark(tmp_path_factory.mktemp("spark"), slots=6, java_options=fast_java) as session:
        yield session

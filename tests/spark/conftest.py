"""One Spark session for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import quiet_display
from pyspark.sql import SparkSession

from pipeline import jars, java


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session with the Kafka source. Its zone is one that no test should notice: half an hour off and with DST."""
    display = quiet_display()
    with display.step("java") as step:
        found = java.ensure(step)
    with display.step("jars") as step:
        folder = jars.ensure("spark", found, step)
    scratch = tmp_path_factory.mktemp("spark")
    builder = (
        SparkSession.builder.appName("tests")
        # Real-time Mode keeps a slot for each of a topic's three partitions.
        .master("local[6]")
        .config("spark.jars", ",".join(map(str, sorted(folder.glob("*.jar")))))
        .config("spark.driver.memory", "1g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", str(scratch / "local"))
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "America/St_Johns")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
    )
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()

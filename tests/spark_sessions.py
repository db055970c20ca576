"""A Spark session for tests and benchmarks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from harness import quiet_display
from pyspark.sql import SparkSession

from pipeline import jars, java


@contextmanager
def local_spark(folder: Path, slots: int, java_options: str = java.FEW_THREADS) -> Iterator[SparkSession]:
    """A session with the Kafka source; its files lie in `folder`.

    Its zone is one that nothing should notice: half an hour off, with daylight saving time.
    """
    display = quiet_display()
    with display.step("java") as step:
        found = java.ensure(step)
    with display.step("jars") as step:
        folder_of_jars = jars.ensure("spark", found, step)
    builder = (
        SparkSession.builder.appName("tests")
        .master(f"local[{slots}]")
        .config("spark.jars", ",".join(map(str, sorted(folder_of_jars.glob("*.jar")))))
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", java_options)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.local.dir", str(folder / "local"))
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "America/St_Johns")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.python.sql.dataFrameDebugging.enabled", "false")
    )
    # Otherwise the executors take another Python and miss the packages.
    with mock.patch.dict(os.environ, PYSPARK_PYTHON=sys.executable):
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()

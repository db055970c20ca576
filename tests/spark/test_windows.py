"""The windows of a stream hold what pandas computes of the same readings."""

from __future__ import annotations

import json
import math
import random
import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from pipeline import transforms
from pipeline.spark_pass import Done, first_ends
from pipeline.spark_progress import figures

# The first job starts Spark, and much code is made and compiled for it.
pytestmark = pytest.mark.timeout(900)

START = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
SCHEMA = "event_id string, micros bigint, sensor_type string, location string, value double"
COLUMNS = ["window_start", "window_end", "sensor_type", "location", "count", "avg", "min", "max", "std"]
BY = ["window_start", "sensor_type", "location"]

Reading = tuple[str, int, str, str | None, float]


def reading(seconds: float, value: float, sensor_type: str = "co2", location: str | None = "office-lab") -> Reading:
    moment = START + timedelta(seconds=seconds)
    return str(uuid.uuid4()), round(moment.timestamp() * 1_000_000), sensor_type, location, value


def random_readings(count: int, seed: int = 1) -> list[Reading]:
    """Readings of three minutes, in an order that is not that of their times."""
    rng = random.Random(seed)
    return [
        reading(
            rng.uniform(0, 180),
            rng.gauss(1000, 10) if rng.random() < 0.9 else rng.uniform(-1e6, 1e6),
            rng.choice(["temperature", "humidity", "flow"]),
            rng.choice(["office-lab", "outdoor-gate", None]),
        )
        for _ in range(count)
    ]


@pytest.fixture
def windows_of(spark, tmp_path):
    """Runs batches of readings through a stream, one after the other; the windows at the end, by key."""

    def run(batches: Sequence[Sequence[Reading]], window="10 seconds", slide=None, watermark="5 minutes"):
        for number, batch in enumerate(batches):
            write_batch(spark, tmp_path, number, batch)
        return follow(spark, tmp_path / "source", tmp_path / "checkpoint", window, slide, watermark)

    return run


def write_batch(spark, folder: Path, number: int, batch: Sequence[Reading]) -> None:
    """A batch as a file in the folder's `source`."""
    part = spark.createDataFrame(list(batch), SCHEMA).coalesce(1)
    part.write.json(str(folder / str(number)))
    (file,) = (folder / str(number)).glob("*.json")
    (folder / "source").mkdir(exist_ok=True)
    file.rename(folder / "source" / f"{number}.json")


def started(spark, source: Path, checkpoint: Path, window, slide, watermark, distinct=False) -> tuple[str, Any]:
    """The windows' query, at work on the files until their end, and the table that it fills."""
    files = spark.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).json(str(source))
    readings = files.withColumn("timestamp", F.timestamp_micros("micros"))
    found = transforms.windows(readings, window, slide, watermark, distinct=distinct)
    assert found.columns == COLUMNS
    for column in ("window_start", "window_end"):
        found = found.withColumn(column, F.unix_micros(column))
    table = f"windows_{secrets.token_hex(4)}"
    stream = found.writeStream.format("memory").queryName(table).outputMode("update")
    return table, stream.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()


def follow(spark, source: Path, checkpoint: Path, window, slide, watermark) -> pd.DataFrame:
    table, query = started(spark, source, checkpoint, window, slide, watermark)
    query.awaitTermination()
    rows = pd.DataFrame([row.asDict() for row in spark.table(table).collect()], columns=COLUMNS)
    spark.sql(f"DROP VIEW {table}")
    # A window comes anew whenever it has grown.
    return rows.sort_values("count").groupby(BY).last().sort_index()


def expected(readings: Sequence[Reading], window: int, slide: int) -> pd.DataFrame:
    """The same in pandas; window and slide in seconds."""
    frame = pd.DataFrame(readings, columns=["event_id", "micros", "sensor_type", "location", "value"])
    frame = frame.drop_duplicates("event_id").fillna({"location": "unknown"})
    newest = frame["micros"] // (slide * 1_000_000) * slide * 1_000_000
    parts = [frame.assign(window_start=newest - back * slide * 1_000_000) for back in range(window // slide)]
    grouped = pd.concat(parts).groupby(BY)["value"]
    found = grouped.agg(["count", "mean", "min", "max", "std"]).rename(columns={"mean": "avg"})
    found["std"] = found["std"].fillna(0.0)
    found.insert(0, "window_end", found.index.get_level_values("window_start") + window * 1_000_000)
    return found


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    assert list(found.index) == list(wanted.index)
    for exact in ("window_end", "count", "min", "max"):
        assert list(found[exact]) == list(wanted[exact])
    for computed in ("avg", "std"):
        np.testing.assert_allclose(found[computed], wanted[computed], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("window", "slide"), [(10, None), (10, 5), (3600, None)])
def test_windows_hold_what_pandas_computes_even_of_readings_sent_twice(windows_of, window, slide):
    readings = random_readings(2000)
    batches = [readings[:700], readings[:300] + readings[700:1500] + readings[690:710], readings[1400:]]

    found = windows_of(batches, f"{window} seconds", f"{slide} seconds" if slide else None)

    assert_same(found, expected(readings, window, slide or window))


def test_a_single_reading_has_a_standard_deviation_of_zero(windows_of):
    (row,) = windows_of([[reading(1, 21.5)]]).to_dict("records")

    assert (row["count"], row["avg"], row["min"], row["max"], row["std"]) == (1, 21.5, 21.5, 21.5, 0.0)


def test_a_reading_behind_the_watermark_is_left_out(windows_of):
    # A batch is judged by the watermark that the one before it has made.
    found = windows_of(
        [[reading(600, 1.0)], [reading(610, 2.0)], [reading(300, 3.0), reading(599, 4.0)]], watermark="1 minute"
    )

    assert list(found["max"]) == [4.0, 1.0, 2.0]


def test_what_the_pass_calls_late_is_what_spark_drops(spark, tmp_path):
    # given a window for each reading by its type, as Spark counts windows
    allow = "spark.sql.streaming.statefulOperator.allowMultiple"
    rng = random.Random(3)
    batches = [
        [reading(60 * number + rng.uniform(0, 120), 1.0, f"type_{number}_{each}") for each in range(200)]
        for number in range(4)
    ]
    for number, batch in enumerate(batches):
        write_batch(spark, tmp_path, number, batch)
    before = spark.conf.get(allow)
    spark.conf.set(allow, "false")

    # when
    try:
        query = started(spark, tmp_path / "source", tmp_path / "checkpoint", "10 seconds", None, "30 seconds", True)[1]
        query.awaitTermination()
        reports = [json.loads(one.json) for one in query.recentProgress]
    finally:
        spark.conf.set(allow, before)

    # then
    late = []
    for batch, report in zip(batches, reports[: len(batches)], strict=True):
        moments = pa.array([micros for _, micros, *_ in batch], pa.timestamp("us", "UTC"))
        watermark = figures({**report, "name": "windows"}).get("watermark")
        late.append(Done(ends=first_ends(moments, 10_000, 10_000)).counted(watermark)["late"])
    assert late == [report["stateOperators"][0]["numRowsDroppedByWatermark"] for report in reports[: len(batches)]]
    assert late[0] == 0 < min(late[1:])


def test_the_largest_values_have_a_finite_mean_between_them(windows_of):
    huge = 1.7e308
    found = windows_of([[reading(1, huge, "a"), reading(2, huge, "a"), *(reading(n / 10, 0.1, "b") for n in range(9))]])

    first, second = found.to_dict("records")
    assert first["avg"] == huge
    assert second["avg"] == second["min"] == second["max"] == 0.1
    assert not math.isnan(first["std"])


def test_the_spread_of_values_too_far_apart_for_a_float_is_infinite(windows_of):
    (row,) = windows_of([[reading(n, (-1) ** n * 1.7e308) for n in range(4)]]).to_dict("records")

    assert (row["std"], row["min"], row["max"]) == (math.inf, -1.7e308, 1.7e308)
    assert abs(row["avg"]) <= 1.7e308

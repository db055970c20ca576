"""Spark's part of the pipeline, DataFrame to DataFrame, without any input or output: what the job imports.

    records ─ parse ─┬─ valid_readings ─┬─ alerts
                     ├─ refused         └─ windows
                     ├─ stored
                     └─ router

All of it is Spark's own column functions, which agree with the Python codec (`events`, `refusals`) and the Python rules
(`rules`); the session's time zone does not matter.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.transforms_alerts import alerts
from pipeline.transforms_columns import retry_count
from pipeline.transforms_parse import READING_FIELDS, parse
from pipeline.transforms_router import router
from pipeline.transforms_stored import stored
from pipeline.transforms_windows import windows

__all__ = ["alerts", "parse", "refused", "router", "stored", "valid_readings", "windows"]


def valid_readings(parsed: DataFrame) -> DataFrame:
    """The accepted readings of `parse`: a reading's fields, then partition, offset and kafka_timestamp.

    `metadata` is JSON text, `timestamp` and `kafka_timestamp` are timestamps.
    """
    return parsed.where(F.col("refusal_code").isNull()).select(
        *(F.col("reading")[name].alias(name) for name in READING_FIELDS),
        "partition",
        "offset",
        F.col("timestamp").alias("kafka_timestamp"),
    )


def refused(parsed: DataFrame) -> DataFrame:
    """The refused records of `parse`, as `store_writes.write_dead_letters` takes them.

    Rows of topic, partition, offset, key, value, code, reason, retry_count and kafka_timestamp.
    """
    return parsed.where(F.col("refusal_code").isNotNull()).select(
        *("topic", "partition", "offset", "key", "value"),
        F.col("refusal_code").alias("code"),
        F.col("refusal_sentence").alias("reason"),
        retry_count(parsed).alias("retry_count"),
        F.col("timestamp").alias("kafka_timestamp"),
    )

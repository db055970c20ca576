"""Kafka's records as Spark's Python tasks take them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.transforms_columns import retry_count


def records(source: DataFrame) -> DataFrame:
    """Rows of topic, partition, offset, key, value, kafka_timestamp (milliseconds since 1970) and retry_count."""
    return source.select(
        *("topic", "partition", "offset", "key", "value"),
        F.unix_millis(F.col("timestamp")).alias("kafka_timestamp"),
        retry_count(source).alias("retry_count"),
    )

"""Parsed records to the rows that are written to MongoDB: readings, their alerts and what is refused, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.rules import Rule
from pipeline.transforms_alerts import alert_fields, breaks_any, broken_rules
from pipeline.transforms_columns import retry_count, row_clock
from pipeline.transforms_parse import READING_FIELDS


def stored(parsed: DataFrame, rules: Sequence[Rule]) -> DataFrame:
    """A row for each record of `parse`; instants are milliseconds since 1970, as Python takes them fastest.

    All rows have topic, partition, offset, key, kafka_timestamp and retry_count. Those of readings have a reading's
    fields (`metadata` is JSON text) and, where they break a rule, `alerts`, an array with the fields of
    `events.Alert`; the others are null there, and have `code`, `reason` and `content`, the message's bytes.
    """
    reading = F.col("reading")
    is_refused = F.col("refusal_code").isNotNull()
    fields = {name: reading[name] for name in READING_FIELDS}
    fields["timestamp"] = F.unix_millis(reading["timestamp"])
    alert_source = {**fields, "detected_at": F.unix_millis(row_clock())}

    def alert(broken: Column) -> Column:
        return F.struct(*alert_fields(alert_source, broken))

    judged = (rules, reading["sensor_type"], reading["value"])
    return parsed.withColumn("_retry_count", retry_count(parsed)).select(
        *("topic", "partition", "offset", "key"),
        F.unix_millis(F.col("timestamp")).alias("kafka_timestamp"),
        F.col("_retry_count").alias("retry_count"),
        *(column.alias(name) for name, column in fields.items()),
        F.when(breaks_any(*judged), F.transform(broken_rules(*judged), alert)).alias("alerts"),
        F.col("refusal_code").alias("code"),
        F.col("refusal_sentence").alias("reason"),
        F.when(is_refused, F.col("value")).alias("content"),
    )

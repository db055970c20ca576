"""Records to what the router writes to Kafka: alerts and dead letters, in one pass.

Real-time Mode refuses a union, so each record makes an array of what is to be written, and the array is exploded: the
number of a broken limit stands for an alert, and `_LETTER` for the dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.events import DEAD_LETTER_KEY_LIMIT, DEAD_LETTER_LIMIT
from pipeline.rules import Rule
from pipeline.transforms_alerts import alert_fields, broken_limit, broken_limits
from pipeline.transforms_columns import instant_text, retry_count, row_clock
from pipeline.transforms_parse import READING_FIELDS, parse
from pipeline.transforms_plain import noteworthy

_LETTER = -2


def router(
    records: DataFrame, rules: Sequence[Rule], max_ahead: float, alerts_topic: str, dead_letter_topic: str
) -> DataFrame:
    """Rows to be written to Kafka: topic, key, value, headers.

    `records` has the columns of Spark's Kafka source; headers may be missing. A reading makes an alert for each rule
    that it breaks (JSON as `events.encode` writes it, keyed by sensor_id), a refused record makes a dead letter
    (`events.parse_dead_letter`): its key and value untouched, or their first part when they are above
    DEAD_LETTER_KEY_LIMIT and DEAD_LETTER_LIMIT, with original_key_size and original_size among the headers. A reading
    more than `max_ahead` seconds after its record is refused.
    """
    parsed = parse(noteworthy(records, rules, max_ahead), max_ahead)
    reading = F.col("reading")
    broken = broken_limits(rules, reading["sensor_type"], reading["value"])
    outputs = F.when(F.col("refusal_code").isNotNull(), F.array(F.lit(_LETTER))).otherwise(broken)
    # Beside a column that differs each time it is asked for, Spark does not move what explode asks of the array to
    # where all of the message would be judged once more.
    rows = parsed.withColumns({"_clock": row_clock(), "_retry_count": retry_count(records), "_outputs": outputs})
    rows = rows.withColumn("_output", F.explode("_outputs")).withColumn("_now", instant_text(F.col("_clock")))
    broken = broken_limit(rules, F.col("_output"))
    is_letter = F.col("_output") == _LETTER
    return rows.select(
        F.when(is_letter, dead_letter_topic).otherwise(alerts_topic).alias("topic"),
        F.when(is_letter, _beginning("key", DEAD_LETTER_KEY_LIMIT))
        .otherwise(reading["sensor_id"].cast("binary"))
        .alias("key"),
        F.when(is_letter, _beginning("value", DEAD_LETTER_LIMIT)).otherwise(_alert_json(broken)).alias("value"),
        F.when(is_letter, _letter_headers()).alias("headers"),
    )


def _alert_json(broken: Column) -> Column:
    reading = {name: F.col("reading")[name] for name in READING_FIELDS}
    reading |= {"timestamp": instant_text(reading["timestamp"]), "detected_at": F.col("_now")}
    return F.to_json(F.struct(*alert_fields(reading, broken)), {"ignoreNullFields": "false"}).cast("binary")


def _beginning(name: str, limit: int) -> Column:
    return F.substring(F.col(name), 1, limit)


def _letter_headers() -> Column:
    always = {
        "original_topic": F.col("topic"),
        "original_partition": F.col("partition"),
        "original_offset": F.col("offset"),
        "error": F.concat(F.col("refusal_code"), F.lit(": "), F.col("refusal_sentence")),
        "retry_count": F.col("_retry_count"),
        "failed_at": F.col("_now"),
    }
    where_cut = (
        _size_where_cut("original_size", "value", DEAD_LETTER_LIMIT),
        _size_where_cut("original_key_size", "key", DEAD_LETTER_KEY_LIMIT),
    )
    return F.array_compact(F.array(*(_header(name, column) for name, column in always.items()), *where_cut))


def _size_where_cut(header: str, name: str, limit: int) -> Column:
    size = F.octet_length(F.col(name))
    return F.when(size > limit, _header(header, size))


def _header(name: str, content: Column) -> Column:
    return F.struct(F.lit(name).alias("key"), content.cast("string").cast("binary").alias("value"))

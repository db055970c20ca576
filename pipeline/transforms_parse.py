"""Kafka records to readings, as strictly as `events.decode_reading`, in Spark's own column functions.

Spark's from_json is lenient: it forgives text behind the object and turns a number into a string where one is asked
for. So a reading is taken from it at once only when a few cheap checks prove that the message keeps the contract. All
other messages, good or bad, are judged slowly (`transforms_judge`).
"""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.events import EARLIEST
from pipeline.refusals import EVENT_ID, FIELD_NAME_LIMIT, NAME_LIMIT, SHORT_NAME_LIMIT, TIMESTAMP, Refusal
from pipeline.transforms_columns import STRICT, instant_text
from pipeline.transforms_judge import judged, refusal

READING_FIELDS = (
    *("event_id", "run", "sequence", "timestamp", "sensor_id", "sensor_type", "value", "unit", "location", "status"),
    "metadata",
)
_QUICK_SCHEMA = (
    "schema_version int, event_id string, run string, sequence bigint, timestamp string, sensor_id string, "
    "sensor_type string, value double, unit string, location string, status string, metadata string, broken string"
)
_NAME_LIMITS = {
    "run": SHORT_NAME_LIMIT,
    "sensor_id": NAME_LIMIT,
    "sensor_type": SHORT_NAME_LIMIT,
    "unit": SHORT_NAME_LIMIT,
    "location": NAME_LIMIT,
}
# As a string from_json shows `42`, `true`, `[1]`, `{}` or (for 1e400) `"Infinity"` when there is no string; a name that
# reads like one of them may be one.
_LIKE_NO_STRING = r'[\[{"]|-?[0-9][0-9.eE+-]*+\n|true\n|false\n'
# The fields whose form is checked, each with a newline behind it.
_FORMS = (
    r"\A" + EVENT_ID.strip("^").removesuffix(r"\Z") + r"\n" + TIMESTAMP.strip("^").removesuffix(r"\Z") + r"\n"
    rf"(?:(?!{_LIKE_NO_STRING})\P{{Cc}}+\n)*+\z"
)
# Longer metadata may hold a number beyond 64 bits.
_LONGEST_SURE_METADATA = 300


def parse(records: DataFrame, max_ahead: float) -> DataFrame:
    """Kafka's columns, and `reading`, `refusal_code` and `refusal_sentence` behind them.

    `records` has the columns of Spark's Kafka source, `value` and `timestamp` among them. `reading` is a struct with
    the contract's fields but schema_version: `timestamp` is a timestamp, `sequence` a bigint, `value` a double, and
    `metadata` is JSON text. It is null in a refused row, where the code is that of `refusals.Refusal`; code and
    sentence are null in the others. A reading more than `max_ahead` seconds after its record is refused.
    """
    quick, value = F.col("_quick"), F.col("value")
    rows = records.withColumn(
        "_quick", F.from_json(value.cast("string"), _QUICK_SCHEMA, {**STRICT, "columnNameOfCorruptRecord": "broken"})
    )
    # What is not needed any more is dropped at once: each step that Spark interprets copies every column.
    rows = rows.withColumn("_sure", F.when(_surely_keeps_contract(quick, value), _reading(quick))).drop("_quick")
    rows = judged(rows, F.col("_sure").isNull())
    rows = rows.withColumn("_reading", F.coalesce(F.col("_sure"), F.col("_judged")))
    rows = rows.withColumn("_verdict", F.coalesce(F.col("_verdict"), _time_verdict(max_ahead)))
    verdict = F.col("_verdict")
    return rows.select(
        *records.columns,
        F.when(verdict.isNull(), F.col("_reading")).alias("reading"),
        verdict["code"].alias("refusal_code"),
        verdict["sentence"].alias("refusal_sentence"),
    )


def _surely_keeps_contract(quick: Column, value: Column) -> Column:
    """Whether it is proven that a message keeps the contract, but for when its timestamp lies.

    Nothing stands behind the object, and metadata is one: the text's first closing brace is its last character, or
    the last but one where metadata begins and ends with braces. Were metadata a string, a quote would stand between.
    """
    text, metadata = value.cast("string"), quick["metadata"]
    body = F.substring(value, F.lit(1), F.octet_length(value) - F.when(metadata.isNull(), 1).otherwise(2)).cast(
        "string"
    )
    return reduce(
        and_,
        (
            F.is_valid_utf8(text),
            F.octet_length(value) <= FIELD_NAME_LIMIT,
            quick["broken"].isNull(),
            # Without backslashes a string is what it looks like, and without brackets nothing is nested deep.
            *(~F.contains(body, F.lit(sign)) for sign in ("}", "\\", "[")),
            F.endswith(text, F.lit("}")),
            metadata.isNull() | _is_surely_object(metadata) & F.endswith(text, F.lit("}}")),
            F.coalesce(quick["schema_version"], F.lit(1)) == 1,
            F.rlike(
                F.concat_ws("\n", quick["event_id"], quick["timestamp"], *(quick[n] for n in _NAME_LIMITS), F.lit("")),
                F.lit(_FORMS),
            ),
            quick["timestamp"].try_cast("timestamp").isNotNull(),
            *(F.coalesce(F.length(quick[name]), F.lit(0)) <= limit for name, limit in _NAME_LIMITS.items()),
            quick["sensor_id"].isNotNull(),
            quick["sensor_type"].isNotNull(),
            F.abs(quick["value"]) < float("inf"),
            F.coalesce(quick["sequence"], F.lit(0)) >= 0,
            F.coalesce(quick["status"], F.lit("normal")).isin("normal", "anomaly"),
        ),
    )


def _is_surely_object(metadata: Column) -> Column:
    """Whether metadata of a text without backslashes is an object, with numbers of 64 bits alone."""
    return (
        F.startswith(metadata, F.lit("{"))
        & F.endswith(metadata, F.lit("}"))
        & (F.length(metadata) <= _LONGEST_SURE_METADATA)
        & ~F.contains(metadata, F.lit("Infinity"))
    )


def _reading(quick: Column) -> Column:
    fields = {name: quick[name] for name in READING_FIELDS}
    fields["timestamp"] = quick["timestamp"].try_cast("timestamp")
    return F.struct(*(column.alias(name) for name, column in fields.items()))


def _time_verdict(max_ahead: float) -> Column:
    """Why a reading is refused for the instant of its timestamp; null for one that is not."""
    moment, appended = F.col("_reading")["timestamp"], F.col("timestamp")
    # As exact as Python: an interval of days and microseconds.
    latest = appended + F.lit(timedelta(seconds=max_ahead))
    ahead = (F.unix_micros(moment) - F.unix_micros(appended)) / 1_000_000
    return F.when(
        moment < F.lit(EARLIEST),
        refusal(
            Refusal.TIMESTAMP_TOO_OLD,
            F.concat(F.lit("timestamp "), instant_text(moment), F.lit(" lies before the year 2000")),
        ),
    ).when(
        moment > latest,
        refusal(
            Refusal.TIMESTAMP_AHEAD,
            F.concat(
                F.lit("timestamp "),
                instant_text(moment),
                F.format_string(" lies %.1f s after the record's Kafka timestamp", ahead),
                F.lit(f"; {max_ahead:g} s are allowed"),
            ),
        ),
    )

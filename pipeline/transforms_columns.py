"""What several of the transforms need: options of the JSON parser, patterns, instants as text."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Spark's JSON parser is lenient in these two by default.
STRICT = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}


def java_pattern(pattern: str) -> str:
    r"""A pattern of `refusals` as Java writes it: the very end is \z there."""
    return pattern.replace(r"\Z", r"\z")


def instant_text(instant: Column) -> Column:
    """A timestamp as ISO 8601 in UTC, whatever the session's zone: 2026-01-31T08:00:00.25Z."""
    epoch = F.expr("TIMESTAMP_NTZ'1970-01-01 00:00:00'")
    utc = F.timestamp_add("MICROSECOND", F.unix_micros(instant), epoch).cast("string")
    return F.concat(F.replace(utc, F.lit(" "), F.lit("T")), F.lit("Z"))


def row_clock() -> Column:
    """The machine's clock, read for each row; current_timestamp() stands still within a batch."""
    return F.java_method(F.lit("java.time.Instant"), F.lit("now")).cast("timestamp")


def retry_count(records: DataFrame) -> Column:
    """How often a record was sent back: its header retry_count, or 0 where there is none that is a number."""
    if "headers" not in records.columns:
        return F.lit(0)
    found = F.filter(F.col("headers"), lambda header: header["key"] == "retry_count")
    count = F.try_element_at(found, F.lit(-1))["value"].cast("string").try_cast("int")
    # Spark interprets the search; few records have headers at all.
    return F.when(F.size("headers") > 0, F.greatest(F.coalesce(count, F.lit(0)), F.lit(0))).otherwise(0)

"""Alerts in Spark's columns, for the router: the same for every reading as `rules.alerts` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipeline.rules import FIRST_NOT_PLAIN, SMALLEST_PLAIN, SMALLEST_SHOWN, UNKNOWN_LOCATION, Rule, number_text

# A broken rule and the limit that is broken.
BROKEN = (
    "struct<name:string,priority:string,threshold:double,threshold_text:string,side:string,"
    "parts:array<struct<literal:string,name:string>>>"
)


def breaks_any(rules: Sequence[Rule], sensor_type: Column, value: Column) -> Column:
    """Whether a reading breaks a rule: Spark compiles this, while it interprets `broken_rules`."""
    limits = [(rule.sensor_type, limit) for rule in rules for limit in _limits(rule, value)]
    return reduce(or_, ((sensor_type == concerned) & limit for concerned, limit in limits), F.lit(False))


def _limits(rule: Rule, value: Column) -> Iterator[Column]:
    if rule.below is not None:
        yield value < rule.below
    if rule.above is not None:
        yield value > rule.above


def broken_rules(rules: Sequence[Rule], sensor_type: Column, value: Column) -> Column:
    """An array of the rules that a reading breaks, in their order, each as a struct of the type BROKEN."""
    return F.array_compact(F.array(*(_if_broken(rule, sensor_type, value) for rule in rules)).cast(f"array<{BROKEN}>"))


def alert_fields(reading: Mapping[str, Column], broken: Column) -> list[Column]:
    """The columns of an alert, named, in the order of `events.Alert`; `reading` holds detected_at as well."""
    columns = {
        "alert_id": F.concat(broken["name"], F.lit("-"), reading["event_id"]),
        "alert_type": broken["name"],
        "priority": broken["priority"],
        "sensor_id": reading["sensor_id"],
        "sensor_type": reading["sensor_type"],
        "location": reading["location"],
        "value": reading["value"],
        "threshold": broken["threshold"],
        "unit": reading["unit"],
        "message": _message(reading, broken),
        "timestamp": reading["timestamp"],
        "detected_at": reading["detected_at"],
    }
    return [column.alias(name) for name, column in columns.items()]


def _if_broken(rule: Rule, sensor_type: Column, value: Column) -> Column:
    """What is known of a rule where a reading breaks it, else null."""
    is_concerned = sensor_type == rule.sensor_type
    found = F.lit(None)
    if rule.below is not None:
        found = F.when(is_concerned & (value < rule.below), _broken(rule, rule.below, "below"))
    if rule.above is not None:
        found = F.when(is_concerned & (value > rule.above), _broken(rule, rule.above, "above")).otherwise(found)
    return found


def _broken(rule: Rule, threshold: float, side: str) -> Column:
    parts = (
        F.struct(F.lit(literal).alias("literal"), F.lit(name).cast("string").alias("name"))
        for literal, name in rule.parts
    )
    return F.struct(
        F.lit(rule.name).alias("name"),
        F.lit(rule.priority).alias("priority"),
        F.lit(threshold).alias("threshold"),
        F.lit(number_text(threshold)).alias("threshold_text"),
        F.lit(side).alias("side"),
        F.array(*parts).alias("parts"),
    )


def _message(reading: Mapping[str, Column], broken: Column) -> Column:
    unit = F.coalesce(F.concat(F.lit(" "), reading["unit"]), F.lit(""))
    words = {
        "sensor_id": reading["sensor_id"],
        "sensor_type": reading["sensor_type"],
        "location": F.coalesce(reading["location"], F.lit(UNKNOWN_LOCATION)),
        "value": F.concat(_number_text(reading["value"]), unit),
        "threshold": F.concat(broken["threshold_text"], unit),
        "side": broken["side"],
    }

    def filled(part: Column) -> Column:
        word = F.lit("")
        for name, column in words.items():
            word = F.when(part["name"] == name, column).otherwise(word)
        return F.concat(part["literal"], word)

    return F.array_join(F.transform(broken["parts"], filled), "")


def _number_text(number: Column) -> Column:
    """`rules.number_text`: Java's DecimalFormat rounds as Python does, on the exact value and a half to even."""

    def written(column: Column, pattern: str) -> Column:
        return F.call_function("format_number", column, F.lit(pattern))

    size, decimals = F.abs(number), "0.######"
    exponent = F.substring_index(written(number, "0.##############E0"), "E", -1)
    quotient = F.try_divide(number, F.concat(F.lit("1e"), exponent).cast("double"))
    return (
        F.when(size < SMALLEST_SHOWN, "0")
        .when((size >= SMALLEST_PLAIN) & (size < FIRST_NOT_PLAIN), written(number, decimals))
        .otherwise(F.concat(written(quotient, decimals), F.lit("e"), exponent))
    )

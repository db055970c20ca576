"""Alerts in Spark's columns, for the router: the same for every reading as `rules.alerts` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipeline.rules import FIRST_NOT_PLAIN, SMALLEST_PLAIN, SMALLEST_SHOWN, UNKNOWN_LOCATION, Rule, number_text

# Signs for what a message takes of a reading: characters that neither a rule's message nor a name of a reading has.
_SENSOR_ID, _LOCATION, _VALUE, _UNIT = "\x01", "\x02", "\x03", "\x04"
_LIMITS = "array<struct<name:string,priority:string,threshold:double,message:string>>"
# No limit, among the numbers of those that are broken.
_NONE = -1


@dataclass(frozen=True)
class _Limit:
    """One limit of a rule."""

    rule: Rule
    threshold: float
    side: Literal["below", "above"]

    def is_broken(self, sensor_type: Column, value: Column) -> Column:
        beyond = value < self.threshold if self.side == "below" else value > self.threshold
        return (sensor_type == self.rule.sensor_type) & beyond

    def message(self) -> str:
        """The rule's message, with a sign for each thing that it takes of the reading."""
        words = {
            "sensor_id": _SENSOR_ID,
            "sensor_type": self.rule.sensor_type,
            "location": _LOCATION,
            "value": _VALUE + _UNIT,
            "threshold": number_text(self.threshold) + _UNIT,
            "side": self.side,
        }
        return "".join(literal + (words[name] if name else "") for literal, name in self.rule.parts)


def breaks_any(rules: Sequence[Rule], sensor_type: Column, value: Column) -> Column:
    """Whether a reading breaks a rule."""
    return reduce(or_, (limit.is_broken(sensor_type, value) for limit in _all_limits(rules)), F.lit(False))


def broken_limits(rules: Sequence[Rule], sensor_type: Column, value: Column) -> Column:
    """An array of the limits that a reading breaks, in the order of the rules: numbers for `broken_limit`."""
    numbers = {limit: number for number, limit in enumerate(_all_limits(rules))}

    def number(rule: Rule) -> Column:
        found = F.lit(_NONE)
        for limit in _limits(rule):
            found = F.when(limit.is_broken(sensor_type, value), numbers[limit]).otherwise(found)
        return found

    return F.array_remove(F.array(*map(number, rules)).cast("array<int>"), _NONE)


def broken_limit(rules: Sequence[Rule], number: Column) -> Column:
    """The limit of a number: a struct of the rule's name and priority, the threshold, and the message to be filled."""
    limits = [
        F.struct(
            F.lit(limit.rule.name).alias("name"),
            F.lit(limit.rule.priority).alias("priority"),
            F.lit(limit.threshold).alias("threshold"),
            F.lit(limit.message()).alias("message"),
        )
        for limit in _all_limits(rules)
    ]
    return F.get(F.array(*limits).cast(_LIMITS), number)


def _limits(rule: Rule) -> Iterator[_Limit]:
    """The limits of a rule; of two that a value breaks the last one counts."""
    if rule.below is not None:
        yield _Limit(rule, rule.below, "below")
    if rule.above is not None:
        yield _Limit(rule, rule.above, "above")


def _all_limits(rules: Sequence[Rule]) -> list[_Limit]:
    return [limit for rule in rules for limit in _limits(rule)]


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


def _message(reading: Mapping[str, Column], broken: Column) -> Column:
    words = {
        _SENSOR_ID: reading["sensor_id"],
        _LOCATION: F.coalesce(reading["location"], F.lit(UNKNOWN_LOCATION)),
        _VALUE: _number_text(reading["value"]),
        _UNIT: F.coalesce(F.concat(F.lit(" "), reading["unit"]), F.lit("")),
    }
    message = broken["message"]
    for sign, word in words.items():
        message = F.replace(message, F.lit(sign), word)
    return message


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

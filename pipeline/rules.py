"""Alert rules: loaded from a TOML file, checked, and judged on a reading; `transforms_alerts` has the Spark columns.

Numbers in a message are written as Python and Java both can, whatever their versions: rounded to 6 decimals between
0.001 and a thousand million (21.5, 1000), and with 6 decimals and an exponent outside (1.5e10, 2e-7).
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pipeline import runtime
from pipeline.catalog import only_known, read_toml
from pipeline.console import UsageError, safe_text
from pipeline.events import Alert, Priority, SensorReading

DEFAULT_FILE = runtime.ROOT / "rules.toml"
PRIORITIES = get_args(Priority)
DEFAULT_MESSAGE = "{sensor_id}: {sensor_type} of {value} is {side} {threshold}"
# The rule of the alerts that sensors raise which send nothing (store_silence.py); no rule of a file has this name.
SILENT = "silent"
# What a message or a group calls the location of a reading that has none.
UNKNOWN_LOCATION = "unknown"
PLACEHOLDERS = ("sensor_id", "sensor_type", "location", "value", "threshold", "side")
# Numbers from the one up to the other are written without an exponent.
SMALLEST_PLAIN, FIRST_NOT_PLAIN = 0.001, 1e9
# What is nearer to 0 is written as 0.
SMALLEST_SHOWN = 1e-300

_KEYS = {"name", "sensor_type", "below", "above", "priority", "message"}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_MESSAGE_LIMIT = 500
_HEADER = re.compile(r"\s*\[\[\s*rule\s*\]\]")

# Literal text, and the name of the placeholder behind it (None: there is none).
Part = tuple[str, str | None]


@dataclass(frozen=True)
class Rule:
    """What a sensor type's readings must not do: lie below `below` or above `above` (None: no such limit).

    The limits are in the unit of the readings; a value on a limit is allowed.
    """

    name: str
    sensor_type: str
    priority: Priority
    below: float | None = None
    above: float | None = None
    message: str = DEFAULT_MESSAGE

    def threshold(self, value: float) -> float | None:
        """The limit that a value breaks, or None."""
        if self.above is not None and value > self.above:
            return self.above
        return self.below if self.below is not None and value < self.below else None

    def alert_id(self, event_id: str) -> str:
        """The id of the alert that a reading raises: the same whenever it is raised again."""
        return f"{self.name}-{event_id}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The message, taken to pieces."""
        return tuple((literal, name) for literal, name, _, _ in string.Formatter().parse(self.message))


class Watch:
    """Rules by the type that they watch: most readings need not be held against any."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Look through the rules, whose order is that of a reading's alerts."""
        self._by_type: dict[str, tuple[float, float, list[Rule]]] = {}
        for rule in rules:
            low, high, those = self._by_type.get(rule.sensor_type, (-math.inf, math.inf, []))
            low = low if rule.below is None else max(low, rule.below)
            high = high if rule.above is None else min(high, rule.above)
            self._by_type[rule.sensor_type] = low, high, [*those, rule]

    def alerts(self, reading: SensorReading, detected_at: str) -> list[Alert]:
        """What `alerts` says of a reading and all these rules."""
        found = self._by_type.get(reading.sensor_type)
        if found is None or found[0] <= reading.value <= found[1]:
            return []
        return alerts(found[2], reading, detected_at)


def alerts(rules: Sequence[Rule], reading: SensorReading, detected_at: str) -> list[Alert]:
    """An alert for each rule that a reading breaks; `detected_at` is an ISO 8601 instant with a zone."""
    found = []
    for rule in rules:
        threshold = rule.threshold(reading.value) if rule.sensor_type == reading.sensor_type else None
        if threshold is not None:
            found.append(_alert(rule, reading, threshold, detected_at))
    return found


def _alert(rule: Rule, reading: SensorReading, threshold: float, detected_at: str) -> Alert:
    unit = f" {reading.unit}" if reading.unit else ""
    words = {
        "sensor_id": reading.sensor_id,
        "sensor_type": reading.sensor_type,
        "location": reading.location or UNKNOWN_LOCATION,
        "value": f"{number_text(reading.value)}{unit}",
        "threshold": f"{number_text(threshold)}{unit}",
        "side": "above" if reading.value > threshold else "below",
    }
    return Alert(
        alert_id=rule.alert_id(reading.event_id),
        alert_type=rule.name,
        priority=rule.priority,
        sensor_id=reading.sensor_id,
        sensor_type=reading.sensor_type,
        location=reading.location,
        value=reading.value,
        threshold=threshold,
        unit=reading.unit,
        message="".join(literal + (words[name] if name else "") for literal, name in rule.parts),
        timestamp=reading.timestamp,
        detected_at=detected_at,
    )


def number_text(number: float) -> str:
    """A finite number as a message shows it (see above); a half is rounded to the even digit.

    The digits before an exponent are those of a quotient, for Java rounds an exact half in another way there.
    """
    size = abs(number)
    if size < SMALLEST_SHOWN:
        return "0"
    if SMALLEST_PLAIN <= size < FIRST_NOT_PLAIN:
        return _decimals(number)
    exponent = int(f"{number:.14e}".partition("e")[2])
    return f"{_decimals(number / float(f'1e{exponent}'))}e{exponent}"


def _decimals(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def load(path: Path | None) -> tuple[Rule, ...]:
    """The rules of a file, or the built-in ones; raises UsageError with the line and what is wrong."""
    path = path or DEFAULT_FILE
    document = read_toml(path)
    only_known(document, {"rule"}, str(path))
    tables = document.get("rule")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: has no rules; begin one with a line [[rule]]")
    places = _places(path, len(tables))
    rules = [_rule(table, where) for table, where in zip(tables, places, strict=True)]
    first: dict[str, str] = {}
    for rule, where in zip(rules, places, strict=True):
        if rule.name in first:
            raise UsageError(f"{where}: the name '{rule.name}' is taken by {first[rule.name]}; give it another")
        first[rule.name] = where.removeprefix(f"{path}: ")
    return tuple(rules)


def _places(path: Path, count: int) -> list[str]:
    """Where each rule begins, as an error names it; without lines where the rules are not written as [[rule]]."""
    # Lines as TOML counts them.
    text = path.read_text(encoding="utf-8").split("\n")
    lines = [number for number, line in enumerate(text, start=1) if _HEADER.match(line)]
    if len(lines) != count:
        return [f"{path}: rule {number}" for number in range(1, count + 1)]
    return [f"{path}: rule {number} (line {line})" for number, line in enumerate(lines, start=1)]


def _rule(table: dict[str, Any], where: str) -> Rule:
    only_known(table, _KEYS, where)
    for key in ("name", "sensor_type", "priority"):
        if key not in table:
            raise UsageError(f"{where}: {key} is missing")
    name, sensor_type, priority = table["name"], table["sensor_type"], table["priority"]
    if not isinstance(name, str) or not _NAME.match(name):
        raise UsageError(f"{where}: name must have 1 to 64 of the characters a-z A-Z 0-9 . _ -")
    if name == SILENT:
        raise UsageError(f"{where}: '{SILENT}' is the rule of sensors that send nothing; give this one another name")
    if not isinstance(sensor_type, str) or not 1 <= len(sensor_type) <= 64 or not sensor_type.isprintable():
        raise UsageError(f"{where}: sensor_type must have 1 to 64 printable characters")
    if priority not in PRIORITIES:
        raise UsageError(f"{where}: priority must be one of {', '.join(PRIORITIES)}")
    below, above = _limit(table, "below", where), _limit(table, "above", where)
    if below is None and above is None:
        raise UsageError(f"{where}: needs a limit: below, above or both")
    if below is not None and above is not None and below > above:
        raise UsageError(f"{where}: below ({below:g}) is greater than above ({above:g}), so no value is allowed")
    return Rule(name, sensor_type, priority, below, above, _message(table, where))


def _limit(table: dict[str, Any], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UsageError(f"{where}: {key} must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UsageError(f"{where}: {key} must be a finite number")
    return number


def _message(table: dict[str, Any], where: str) -> str:
    message = table.get("message", DEFAULT_MESSAGE)
    if not isinstance(message, str) or not 1 <= len(message) <= _MESSAGE_LIMIT or not message.isprintable():
        raise UsageError(f"{where}: message must have 1 to {_MESSAGE_LIMIT} printable characters")
    try:
        parts = list(string.Formatter().parse(message))
    except ValueError as error:
        raise UsageError(f"{where}: message: {error}; write {{{{ and }}}} for braces") from None
    for _, name, form, conversion in parts:
        if name is not None and name not in PLACEHOLDERS:
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            raise UsageError(f"{where}: message does not know '{{{safe_text(name, 60)}}}'; known are {known}")
        if form or conversion:
            raise UsageError(f"{where}: message: {{{name}}} takes no format; write it without : and !")
    return message

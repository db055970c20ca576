"""Why a message is refused: the contract of a reading in plain Python, the same whatever the order of the fields.

`events` decodes with a fast decoder first; what that one doubts is judged here. `transforms_parse` and
`transforms_judge` say the same in Spark's columns, so a change here is a change there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn

SCHEMA_VERSION = 1
# RFC 3339 with capital T and Z; offsets up to 18 hours, the most that Java knows. Whether there is such a day is left
# to the calendar.
TIMESTAMP = (
    r"^(?!0000)[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:Z|[+-](?:0[0-9]|1[0-7]):[0-5][0-9]|[+-]18:00)\Z"
)
# RFC 9562, section 4, in lower case only.
EVENT_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
# Names end up on terminals and in charts, so control characters are refused. Lengths count code points.
NAME_LIMIT, SHORT_NAME_LIMIT = 256, 64
NAME = rf"^[^\x00-\x1f\x7f-\x9f]{{1,{NAME_LIMIT}}}\Z"
SHORT_NAME = rf"^[^\x00-\x1f\x7f-\x9f]{{1,{SHORT_NAME_LIMIT}}}\Z"
REQUIRED = ("event_id", "timestamp", "sensor_id", "sensor_type", "value")
match_event_id = re.compile(EVENT_ID).match
match_timestamp = re.compile(TIMESTAMP).match
# Limits of what is read as JSON at all (RFC 8259, section 9, leaves them to each parser). Those of digits and names are
# the limits of Spark's parser; the depth fits into MongoDB.
DEPTH_LIMIT, DIGIT_LIMIT = 128, 1000
FIELD_NAME_LIMIT = 49_999  # in UTF-16
# A character may be two in UTF-16.
_LONGEST_WITH_SHORT_NAMES = FIELD_NAME_LIMIT // 2
# So many characters keep these limits and hold no integer of 309 digits: the required fields take 130 of them.
_SURELY_WITHIN_LIMITS = 386
# The smallest integers of 309 digits fit into a 64-bit float, but nobody needs them.
_FIRST_TOO_LARGE = 10**308
# Possessive: it neither steps back nor, in Java, recurs.
STRING = r'(?s)"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
# To be looked for where \\ has been replaced, for a backslash that has one before it begins no escape.
HALF_A_SURROGATE_PAIR = (
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_find_string = re.compile(STRING)
_find_half_pair = re.compile(HALF_A_SURROGATE_PAIR)
_LONG_NUMBER = re.compile(r"[0-9][0-9.eE+-]{308}")


class Refusal(StrEnum):
    """Why a message is a dead letter. The codes are stable: stored, counted and searched for."""

    NULL_MESSAGE = "null_message"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    UNKNOWN_SCHEMA_VERSION = "unknown_schema_version"
    MISSING_FIELD = "missing_field"
    BAD_FIELD = "bad_field"
    VALUE_NOT_FINITE = "value_not_finite"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_AHEAD = "timestamp_ahead"
    # Judged by MongoDB, when the message keeps the contract.
    NOT_STORABLE = "not_storable"


class RefusedMessage(ValueError):
    """A message that breaks the contract: a stable `code` and a sentence."""

    def __init__(self, code: Refusal, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


def _is_string(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.match(value) is not None


def _is_timestamp(value: Any) -> bool:
    if not isinstance(value, str) or not match_timestamp(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


_LONG = f"1 to {NAME_LIMIT} characters without control characters"
_SHORT = f"1 to {SHORT_NAME_LIMIT} characters without control characters"
FIELD_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "event_id": (_is_string(EVENT_ID), "a UUID in canonical lower case"),
    "run": (_is_string(SHORT_NAME), _SHORT),
    "sequence": (_is_sequence, "a whole number from 0"),
    "timestamp": (_is_timestamp, "an ISO 8601 instant with a zone, such as 2026-01-31T08:00:00Z"),
    "sensor_id": (_is_string(NAME), _LONG),
    "sensor_type": (_is_string(SHORT_NAME), _SHORT),
    "value": (_is_number, "a number"),
    "unit": (_is_string(SHORT_NAME), _SHORT),
    "location": (_is_string(NAME), _LONG),
    "status": (lambda value: value in ("normal", "anomaly"), "normal or anomaly"),
    "metadata": (lambda value: isinstance(value, dict), "an object"),
}


def judge(text: str) -> dict[str, Any]:
    """The fields of a reading that keeps the contract, those that are null left out; raises RefusedMessage.

    Of a field that stands there twice the last one counts, as in most JSON parsers. When the timestamp lies is not
    judged here, for it depends on the record's Kafka timestamp.
    """
    document = parse(text)
    # JSON's null is the same as a field that is not there.
    document = {key: value for key, value in document.items() if value is not None}
    version = document.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or isinstance(version, bool | float):
        raise RefusedMessage(Refusal.UNKNOWN_SCHEMA_VERSION, f"schema_version is {_shown(version)}; known is 1")
    for name in REQUIRED:
        if name not in document:
            raise RefusedMessage(Refusal.MISSING_FIELD, f"{name} is missing")
    for name, (is_right, what) in FIELD_CHECKS.items():
        if name in document and not is_right(document[name]):
            raise RefusedMessage(Refusal.BAD_FIELD, f"{name} is {_shown(document[name])}; it must be {what}")
    if not _is_finite(document["value"]):
        raise RefusedMessage(Refusal.VALUE_NOT_FINITE, "value is beyond what a 64-bit float holds")
    if not _holds_finite_numbers(document.get("metadata")):
        raise RefusedMessage(Refusal.BAD_FIELD, "metadata holds a number beyond what a 64-bit float holds")
    return document


def parse(text: str) -> dict[str, Any]:
    """The object in a text of strict JSON; raises RefusedMessage.

    A float beyond 64 bits is an infinity. Half a surrogate pair is refused: it is no character, and no UTF-8 text
    can carry it on. So is what is nested more than 128 deep, a number of more than 1,000 digits, and a field name of
    50,000 characters (in UTF-16) or more.
    """
    try:
        document = json.loads(
            text,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_float,
            object_pairs_hook=_with_short_names if len(text) > _LONGEST_WITH_SHORT_NAMES else None,
        )
    except RecursionError:
        raise RefusedMessage(Refusal.NOT_JSON, "nested too deeply") from None
    except ValueError as error:
        raise RefusedMessage(Refusal.NOT_JSON, str(error)) from None
    if _depth(text) > DEPTH_LIMIT:
        raise RefusedMessage(Refusal.NOT_JSON, "nested too deeply")
    if "\\u" in text and _find_half_pair.search(text.replace(r"\\", "--")):
        raise RefusedMessage(Refusal.NOT_JSON, "half a surrogate pair")
    if not isinstance(document, dict):
        raise RefusedMessage(Refusal.NOT_JSON, "not a JSON object")
    return document


def is_surely_within_limits(text: str) -> bool:
    """Whether a text that is JSON keeps the limits; False where that is not sure."""
    return len(text) <= _SURELY_WITHIN_LIMITS or (
        len(text) <= _LONGEST_WITH_SHORT_NAMES and _openings(text) <= DEPTH_LIMIT and not _LONG_NUMBER.search(text)
    )


def _openings(text: str) -> int:
    return text.count("{") + text.count("[")


def _depth(text: str) -> int:
    """How deep a JSON text is nested; where it has few brackets, only how many are opened."""
    openings = _openings(text)
    if openings <= DEPTH_LIMIT:
        return openings
    deepest = depth = 0
    for bracket in re.findall(r"[\[\]{}]", _find_string.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _integer(literal: str) -> int:
    return int(_of_few_digits(literal))


def _float(literal: str) -> float:
    return float(_of_few_digits(literal))


def _of_few_digits(literal: str) -> str:
    # A zero before the point does not count.
    if len(literal) > DIGIT_LIMIT and sum(map(str.isdigit, literal.removeprefix("-").removeprefix("0"))) > DIGIT_LIMIT:
        raise ValueError(f"a number of more than {DIGIT_LIMIT} digits")
    return literal


def _with_short_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if any(len(name) + sum(character > "\uffff" for character in name) > FIELD_NAME_LIMIT for name, _ in pairs):
        raise ValueError(f"a field name of more than {FIELD_NAME_LIMIT} characters")
    return dict(pairs)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False


def _holds_finite_numbers(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < _FIRST_TOO_LARGE
    if isinstance(value, dict):
        return all(map(_holds_finite_numbers, value.values()))
    return not isinstance(value, list) or all(map(_holds_finite_numbers, value))


def _shown(value: Any) -> str:
    """A wrong value as an error's sentence shows it: short, and safe however deep it is nested."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = json.dumps(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 62 and (not isinstance(value, str) or len(value) <= 60) else text[:60] + "…"

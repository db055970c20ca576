r"""The form of most readings as one pattern, for Python and Java alike: a text that matches keeps the contract.

But for what the pattern's groups hand over: whether there is such a day, whether the instant is accepted, and whether
the value is finite. A text that does not match may keep the contract as well; what is rare is left out, such as other
fields, escapes, U+FFFD (Java reads bytes that are no UTF-8 as that), and structure in metadata. Java tests a character
against single ones below U+0100 several times as fast as against ranges, so those are spelled out.
"""

from __future__ import annotations

import re

from pipeline.refusals import EVENT_ID, NAME_LIMIT, SCHEMA_VERSION, SHORT_NAME_LIMIT, TIMESTAMP

_ASCII = "".join(re.escape(chr(code)) for code in range(0x20, 0x7F) if chr(code) not in '"\\')
_CHARACTER = rf"[{_ASCII}\u00a0-\ufffc]"
_SPACE = r"[ \t\n\r]*+"
# Too short for what is beyond 64 bits.
_WHOLE = r"(?:0|[1-9][0-9]{0,17}+)"
_NUMBER = rf"-?+{_WHOLE}(?:\.[0-9]{{1,30}}+)?+"


def _bare(pattern: str) -> str:
    """A pattern of `refusals` without its ends."""
    return pattern.removeprefix("^").removesuffix(r"\Z")


def _string(most: int, *, least: int = 1) -> str:
    return f'"{_CHARACTER}{{{least},{most}}}+"'


def _or_null(content: str) -> str:
    return f"(?:{content}|null)"


def _object(fields: str) -> str:
    """Fields between braces, with commas between them; `fields` matches one without the quote that it begins with."""
    return rf'\{{{_SPACE}(?:"{fields}{_SPACE}(?:,{_SPACE}(?=")|(?=\}})))*+\}}'


def _field(name: str, content: str, *, required: bool = False) -> str:
    # An empty group notes that a field is there.
    return f'{name}"{"()" if required else ""}{_SPACE}:{_SPACE}{content}'


_METADATA_VALUE = f"(?:{_string(NAME_LIMIT, least=0)}|{_NUMBER}|true|false|null)"
_METADATA = _object(f'{_CHARACTER}{{0,{SHORT_NAME_LIMIT}}}+"{_SPACE}:{_SPACE}{_METADATA_VALUE}')
# In the order of the producer's, which is found soonest.
_FIELDS = (
    _field("schema_version", _or_null(str(SCHEMA_VERSION))),
    _field("event_id", f'"{_bare(EVENT_ID)}"', required=True),
    _field("run", _or_null(_string(SHORT_NAME_LIMIT))),
    _field("sequence", _or_null(_WHOLE)),
    _field("timestamp", f'"({_bare(TIMESTAMP)})"', required=True),
    _field("sensor_id", _string(NAME_LIMIT), required=True),
    _field("sensor_type", f'"({_CHARACTER}{{1,{SHORT_NAME_LIMIT}}}+)"', required=True),
    _field("value", f"({_NUMBER}(?:[eE][+-]?[0-9]{{1,3}}+)?+)", required=True),
    _field("unit", _or_null(_string(SHORT_NAME_LIMIT))),
    _field("location", _or_null(_string(NAME_LIMIT))),
    _field("status", '(?:"normal"|"anomaly"|null)'),
    _field("metadata", _or_null(_METADATA)),
)
# Behind the object, each of the empty groups is looked for once more: one that no field has filled is never found.
_WITH_RANGES = rf"\A{_SPACE}{_object('(?:' + '|'.join(_FIELDS) + ')')}{_SPACE}\1\2\4\5\7\Z"
PLAIN = _WITH_RANGES.replace("0-9", "0123456789").replace("a-f", "abcdef")
TIMESTAMP_GROUP, TYPE_GROUP, VALUE_GROUP = 3, 6, 8

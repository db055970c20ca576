r"""Safe repairs of refused messages: only what leaves no doubt about what the sender meant.

Repaired are

- a byte-order mark, white space and NUL bytes around the JSON text;
- `event_id` in upper case, without its hyphens, in braces or after `urn:uuid:` (RFC 9562, section 4), which are other
  spellings of the same UUID;
- `value` as a number in a string ("21.5"), in JSON's grammar: no decimal comma, no underscores, no "NaN";
- `sequence` and `schema_version` as a whole number in a string ("7"), or with a fraction of zero (7.0);
- `timestamp` with a lower-case t or z, a space for the T (RFC 3339, section 5.6) or before the zone, a comma before
  the fraction (ISO 8601), an offset without its colon (+0100) or without minutes (+01);
- white space around these five.

Never is a value, an id or a zone made up, a field renamed or left out, or a wrong number cut to fit. Everything else
in the message stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.events import Refusal, RefusedMessage, decode_reading
from pipeline.refusals import parse

_AROUND = " \t\r\n\v\f\0\ufeff\xa0"
_UUID = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8})(-?)([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{12})(?(1)\})"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,9})?")
_WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,18}))(?:\.0+)?")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))? ?"
    r"(?:[Zz]|([+-][0-9]{2})(?::?([0-9]{2}))?)"
)
# Beyond this a float may stand for more than one whole number.
_LARGEST_WHOLE_FLOAT = 2.0**53


@dataclass(frozen=True)
class Repaired:
    """A message that keeps the contract, and the names of what was repaired: none, when it kept it before."""

    payload: bytes
    repairs: tuple[str, ...]


def repair(payload: bytes | None, *, kafka_timestamp_ms: int, max_ahead: float) -> Repaired:
    """The message as it is accepted in a record of this Kafka timestamp (milliseconds since 1970).

    Raises RefusedMessage with what is still wrong after all safe repairs.
    """
    judge = partial(decode_reading, kafka_timestamp_ms=kafka_timestamp_ms, max_ahead=max_ahead)
    try:
        judge(payload)
    except RefusedMessage as refused:
        if payload is None or refused.code == Refusal.NOT_UTF8:
            raise
        repaired = _repaired(payload.decode("utf-8"))
        judge(repaired.payload)
        return repaired
    assert payload is not None
    return Repaired(payload, ())


def _repaired(text: str) -> Repaired:
    """The text after all repairs that apply; whether that is enough is not judged here."""
    stripped = text.strip(_AROUND)
    document = parse(stripped)
    repairs = []
    for name, mend in _MENDERS.items():
        mended = mend(document.get(name))
        # 7.0 equals 7, and only one of them keeps the contract.
        if mended is not None and repr(mended) != repr(document[name]):
            document[name] = mended
            repairs.append(name)
    if stripped != text:
        repairs.append("around the JSON text")
    if not any(name in _MENDERS for name in repairs):
        return Repaired(stripped.encode(), tuple(repairs))
    try:
        written = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise RefusedMessage(Refusal.NOT_JSON, "it cannot be written anew: a number beyond 64 bits") from None
    return Repaired(written.encode(), tuple(repairs))


def _event_id(value: Any) -> str | None:
    match = _UUID.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return "-".join(match.group(2, 4, 5, 6, 7)) if match else None


def _timestamp(value: Any) -> str | None:
    match = _TIMESTAMP.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        return None
    date, time, fraction, hours, minutes = match.groups()
    zone = f"{hours}:{minutes or '00'}" if hours else "Z"
    return f"{date}T{time}{'.' + fraction if fraction else ''}{zone}"


def _value(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number: float = json.loads(value)
        return number
    return None


def _whole_number(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_WHOLE_FLOAT:
        return int(value)
    match = _WHOLE_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(match.group(1)) if match else None


_MENDERS: dict[str, Callable[[Any], Any]] = {
    "schema_version": _whole_number,
    "event_id": _event_id,
    "sequence": _whole_number,
    "timestamp": _timestamp,
    "value": _value,
}

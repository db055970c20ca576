"""The wire contract: readings, alerts and dead letters, and their strict JSON codec.

A message is accepted only when it is strict UTF-8 JSON of a reading's shape; what is refused has one stable code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NoReturn

import msgspec

SCHEMA_VERSION = 1
# RFC 3339 with capital T and Z; offsets up to 18 hours, the most that Java knows.
TIMESTAMP = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-](0\d|1[0-7]):[0-5]\d|[+-]18:00)\Z"
# RFC 9562, section 4, in lower case only.
EVENT_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
# Names end up on terminals and in charts, so control characters are refused.
NAME = r"^[^\x00-\x1f\x7f-\x9f]{1,256}\Z"
SHORT_NAME = r"^[^\x00-\x1f\x7f-\x9f]{1,64}\Z"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_AHEAD_SECONDS = 10.0

EventId = Annotated[str, msgspec.Meta(pattern=EVENT_ID)]
Timestamp = Annotated[str, msgspec.Meta(pattern=TIMESTAMP)]
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
ShortName = Annotated[str, msgspec.Meta(pattern=SHORT_NAME)]
Sequence64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Status = Literal["normal", "anomaly"]


class SensorReading(msgspec.Struct, kw_only=True, omit_defaults=False):
    """One reading of one sensor; the fields in the order of the wire.

    `value` is in `unit`; `timestamp` is the event time, ISO 8601 with a zone; `status` is the simulator's own label.
    """

    schema_version: Literal[1] | None = 1
    event_id: EventId
    run: ShortName | None = None
    sequence: Sequence64 | None = None
    timestamp: Timestamp
    sensor_id: Name
    sensor_type: ShortName
    value: float
    unit: ShortName | None = None
    location: Name | None = None
    status: Status | None = None
    metadata: dict[str, Any] | None = None

    @property
    def event_time(self) -> datetime:
        """The timestamp as an instant (digits beyond microseconds are cut off); raises ValueError for no real date."""
        return datetime.fromisoformat(self.timestamp)


class Alert(msgspec.Struct, kw_only=True, forbid_unknown_fields=False):
    """A reading that broke a rule. `alert_id` is `<rule>-<event_id>`: who reads the topic drops repeats by it."""

    alert_id: Name
    alert_type: ShortName
    priority: Literal["low", "normal", "high", "critical"]
    sensor_id: Name
    sensor_type: ShortName
    location: Name | None = None
    value: float
    threshold: float
    unit: ShortName | None = None
    message: str
    timestamp: Timestamp
    detected_at: Timestamp


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


class RefusedMessage(ValueError):
    """A message that breaks the contract: a stable `code` and a sentence."""

    def __init__(self, code: Refusal, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


_reading_decoder = msgspec.json.Decoder(SensorReading)
_alert_decoder = msgspec.json.Decoder(Alert)
_encoder = msgspec.json.Encoder()


def encode(message: SensorReading | Alert) -> bytes:
    """A message as JSON, UTF-8."""
    return _encoder.encode(message)


def decode_reading(
    payload: bytes | None, *, kafka_timestamp_ms: int | None = None, max_ahead: float = MAX_AHEAD_SECONDS
) -> SensorReading:
    """The reading in a message's value.

    `kafka_timestamp_ms` is the record's own timestamp (milliseconds since 1970); a reading more than `max_ahead`
    seconds after it is refused. Without it that one check is left out. Raises RefusedMessage.
    """
    if payload is None:
        raise RefusedMessage(Refusal.NULL_MESSAGE, "the message has no value")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedMessage(Refusal.NOT_UTF8, f"the byte at position {error.start} is not UTF-8") from None
    try:
        reading = _reading_decoder.decode(payload)
        moment = reading.event_time
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        _explain(text, str(error))
    if moment < EARLIEST:
        raise RefusedMessage(Refusal.TIMESTAMP_TOO_OLD, f"timestamp {reading.timestamp} lies before the year 2000")
    if kafka_timestamp_ms is not None:
        ahead = moment.timestamp() - kafka_timestamp_ms / 1000
        if ahead > max_ahead:
            raise RefusedMessage(
                Refusal.TIMESTAMP_AHEAD,
                f"timestamp {reading.timestamp} lies {ahead:.1f} s after the record's Kafka timestamp; "
                f"{max_ahead:g} s are allowed",
            )
    return reading


def decode_alert(payload: bytes | None) -> Alert:
    """The alert in a message's value; raises RefusedMessage."""
    if payload is None:
        raise RefusedMessage(Refusal.NULL_MESSAGE, "the message has no value")
    try:
        return _alert_decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RefusedMessage(Refusal.NOT_JSON, f"no alert: {error}") from None


# --- the reason of a refusal, in the order of the contract whatever the order in the message ------------------------

_REQUIRED = ("event_id", "timestamp", "sensor_id", "sensor_type", "value")


def _is_string(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.match(value) is not None


def _is_timestamp(value: Any) -> bool:
    if not _is_string(TIMESTAMP)(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FIELD_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "event_id": (_is_string(EVENT_ID), "a UUID in canonical lower case"),
    "run": (_is_string(SHORT_NAME), "1 to 64 characters without control characters"),
    "sequence": (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63,
        "a whole number from 0",
    ),
    "timestamp": (_is_timestamp, "an ISO 8601 instant with a zone, such as 2026-01-31T08:00:00Z"),
    "sensor_id": (_is_string(NAME), "1 to 256 characters without control characters"),
    "sensor_type": (_is_string(SHORT_NAME), "1 to 64 characters without control characters"),
    "value": (_is_number, "a number"),
    "unit": (_is_string(SHORT_NAME), "1 to 64 characters without control characters"),
    "location": (_is_string(NAME), "1 to 256 characters without control characters"),
    "status": (lambda value: value in ("normal", "anomaly"), "normal or anomaly"),
    "metadata": (lambda value: isinstance(value, dict), "an object"),
}


def _explain(text: str, reason: str) -> NoReturn:
    """Raise the RefusedMessage of a text that the decoder refused."""
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedMessage(Refusal.NOT_JSON, f"not JSON: {str(error)[:120]}") from None
    if not isinstance(document, dict):
        raise RefusedMessage(Refusal.NOT_JSON, "not a JSON object")
    # JSON's null is the same as a field that is not there.
    document = {key: value for key, value in document.items() if value is not None}
    version = document.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or isinstance(version, bool | float):
        raise RefusedMessage(Refusal.UNKNOWN_SCHEMA_VERSION, f"schema_version is {_shown(version)}; known is 1")
    for name in _REQUIRED:
        if name not in document:
            raise RefusedMessage(Refusal.MISSING_FIELD, f"{name} is missing")
    for name, (is_right, what) in _FIELD_CHECKS.items():
        if name in document and not is_right(document[name]):
            raise RefusedMessage(Refusal.BAD_FIELD, f"{name} is {_shown(document[name])}; it must be {what}")
    if "out of range" in reason:
        raise RefusedMessage(Refusal.VALUE_NOT_FINITE, "value is beyond what a 64-bit float holds")
    raise RefusedMessage(Refusal.NOT_JSON, f"not JSON: {reason[:120]}")


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:60] + "…"


# --- dead letters -----------------------------------------------------------------------------------------------------

# A broker takes 1 MB by default; a letter keeps room for its headers.
DEAD_LETTER_LIMIT = 900_000


class DeadLetter(msgspec.Struct, kw_only=True):
    """A refused message: its original bytes, where it stood, and why it was refused.

    `error` is a code and a sentence; `failed_at` an ISO 8601 instant; `original_size` is given when `value` holds
    only the first part of a message above 900,000 bytes.
    """

    key: bytes | None
    value: bytes | None
    original_topic: str
    original_partition: int
    original_offset: int
    error: str
    retry_count: int
    failed_at: str
    original_size: int | None = None

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic, partition and offset: who reads the topic drops repeats by it."""
        return self.original_topic, self.original_partition, self.original_offset

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers that carry all but key and value."""
        fields: dict[str, str | int] = {
            "original_topic": self.original_topic,
            "original_partition": self.original_partition,
            "original_offset": self.original_offset,
            "error": self.error,
            "retry_count": self.retry_count,
            "failed_at": self.failed_at,
        }
        if self.original_size is not None:
            fields["original_size"] = self.original_size
        return [(name, str(value).encode()) for name, value in fields.items()]


def parse_dead_letter(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | str | None]] | None
) -> DeadLetter:
    """The dead letter in a Kafka record; raises RefusedMessage when a header is missing or wrong."""
    found: dict[str, str] = {}
    for name, content in headers or []:
        found[name] = content.decode("utf-8", "replace") if isinstance(content, bytes) else content or ""
    try:
        return DeadLetter(
            key=key,
            value=value,
            original_topic=found["original_topic"],
            original_partition=int(found["original_partition"]),
            original_offset=int(found["original_offset"]),
            error=found["error"],
            retry_count=int(found.get("retry_count", "0")),
            failed_at=found["failed_at"],
            original_size=int(found["original_size"]) if "original_size" in found else None,
        )
    except KeyError as error:
        raise RefusedMessage(Refusal.MISSING_FIELD, f"no dead letter: the header {error.args[0]} is missing") from None
    except ValueError as error:
        raise RefusedMessage(Refusal.BAD_FIELD, f"no dead letter: {error}") from None

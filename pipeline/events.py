"""The wire contract: readings, alerts and dead letters, and their strict JSON codec.

A message is accepted only when it is strict UTF-8 JSON of a reading's shape; what is refused has one stable code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from pipeline.refusals import (
    NAME,
    NAME_LIMIT,
    SHORT_NAME,
    SHORT_NAME_LIMIT,
    TIMESTAMP,
    Refusal,
    RefusedMessage,
    is_surely_within_limits,
    judge,
    match_event_id,
    match_timestamp,
)

__all__ = [
    "DEAD_LETTER_LIMIT",
    "MAX_AHEAD_SECONDS",
    "Alert",
    "DeadLetter",
    "Refusal",
    "RefusedMessage",
    "SensorReading",
    "decode_alert",
    "decode_reading",
    "decode_readings",
    "encode",
    "encode_value",
    "parse_dead_letter",
]

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_AHEAD_SECONDS = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A reading's types hold lengths alone: patterns in the decoder cost five times as much, so they are checked after it.
LongText = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LIMIT)]
ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=SHORT_NAME_LIMIT)]
Sequence64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Status = Literal["normal", "anomaly"]
Priority = Literal["low", "normal", "high", "critical"]

Name = Annotated[str, msgspec.Meta(pattern=NAME)]
ShortName = Annotated[str, msgspec.Meta(pattern=SHORT_NAME)]
Timestamp = Annotated[str, msgspec.Meta(pattern=TIMESTAMP)]


class SensorReading(msgspec.Struct, kw_only=True, omit_defaults=False, gc=False):
    """One reading of one sensor; the fields in the order of the wire.

    `value` is in `unit`; `timestamp` is the event time, ISO 8601 with a zone; `status` is the simulator's own label.
    """

    schema_version: Literal[1] = 1
    event_id: str
    run: ShortText | None = None
    sequence: Sequence64 | None = None
    timestamp: str
    sensor_id: LongText
    sensor_type: ShortText
    value: float
    unit: ShortText | None = None
    location: LongText | None = None
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
    priority: Priority
    sensor_id: Name
    sensor_type: ShortName
    location: Name | None = None
    value: float
    threshold: float
    unit: ShortName | None = None
    message: str
    timestamp: Timestamp
    detected_at: Timestamp


_reading_decoder = msgspec.json.Decoder(SensorReading)
_alert_decoder = msgspec.json.Decoder(Alert)
_encoder = msgspec.json.Encoder()


def encode(message: SensorReading | Alert) -> bytes:
    """A message as JSON, UTF-8."""
    return _encoder.encode(message)


def encode_value(value: Any) -> bytes:
    """A part of a message as JSON, as `encode` writes it."""
    return _encoder.encode(value)


def decode_reading(
    payload: bytes | None, *, kafka_timestamp_ms: int | None = None, max_ahead: float = MAX_AHEAD_SECONDS
) -> SensorReading:
    """The reading in a message's value.

    `kafka_timestamp_ms` is the record's own timestamp (milliseconds since 1970); a reading more than `max_ahead`
    seconds after it is refused. Without it that one check is left out. Raises RefusedMessage.
    """
    found = next(decode_readings([(payload, kafka_timestamp_ms)], max_ahead))
    if isinstance(found, RefusedMessage):
        raise found
    return found[0]


def decode_readings(
    records: Iterable[tuple[bytes | None, int | None]], max_ahead: float
) -> Iterator[tuple[SensorReading, datetime] | RefusedMessage]:
    """What `decode_reading` says of many values, each with its record's timestamp: reading and event time, or why not.

    Most are certain at first sight. That part stands here as a whole: a call for each step would take a tenth longer.
    """
    decode, instant = _reading_decoder.decode, datetime.fromisoformat
    known: int | None = None
    latest: datetime | None = None
    for payload, kafka_timestamp_ms in records:
        try:
            text = "" if payload is None else payload.decode("utf-8")
            one = decode(text)
            moment = instant(one.timestamp)
            # Printable text has no control characters.
            is_certain = (
                match_event_id(one.event_id) is not None
                and match_timestamp(one.timestamp) is not None
                and f"{one.sensor_id}{one.sensor_type}{one.unit}{one.location}{one.run}".isprintable()
                and is_surely_within_limits(text)
            )
        except (ValueError, RecursionError):
            is_certain = False
        # The records of a batch share the broker's milliseconds.
        if kafka_timestamp_ms != known:
            known = kafka_timestamp_ms
            latest = None if known is None else _latest(known, max_ahead)
        try:
            if not is_certain:
                one = _convert(_text(payload))
                moment = one.event_time
            if moment < EARLIEST or (latest is not None and moment > latest):
                raise _out_of_time(one.timestamp, moment, kafka_timestamp_ms, max_ahead)
        except RefusedMessage as refused:
            yield refused
        else:
            yield one, moment


def _out_of_time(timestamp: str, moment: datetime, kafka_timestamp_ms: int | None, max_ahead: float) -> RefusedMessage:
    if kafka_timestamp_ms is None or moment < EARLIEST:
        return RefusedMessage(Refusal.TIMESTAMP_TOO_OLD, f"timestamp {timestamp} lies before the year 2000")
    ahead = (moment - _EPOCH).total_seconds() - kafka_timestamp_ms / 1000
    return RefusedMessage(
        Refusal.TIMESTAMP_AHEAD,
        f"timestamp {timestamp} lies {ahead:.1f} s after the record's Kafka timestamp; {max_ahead:g} s are allowed",
    )


def _text(payload: bytes | None) -> str:
    if payload is None:
        raise RefusedMessage(Refusal.NULL_MESSAGE, "the message has no value")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedMessage(Refusal.NOT_UTF8, f"the byte at position {error.start} is not UTF-8") from None


def _convert(text: str) -> SensorReading:
    try:
        return msgspec.convert(judge(text), SensorReading)
    except RecursionError:
        raise RefusedMessage(Refusal.NOT_JSON, "nested too deeply") from None


def _latest(kafka_timestamp_ms: int, max_ahead: float) -> datetime:
    """The last event time that a record may have; exact, where floats would be wrong by a part of a microsecond."""
    return _EPOCH + timedelta(milliseconds=kafka_timestamp_ms, seconds=max_ahead)


def decode_alert(payload: bytes | None) -> Alert:
    """The alert in a message's value; raises RefusedMessage."""
    text = _text(payload)
    try:
        return _alert_decoder.decode(text)
    except msgspec.ValidationError as error:
        raise RefusedMessage(Refusal.BAD_FIELD, f"no alert: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedMessage(Refusal.NOT_JSON, f"no alert: {error}") from None


# --- dead letters -----------------------------------------------------------------------------------------------------

# A broker takes 1 MB by default; a letter keeps room for its headers.
DEAD_LETTER_LIMIT, DEAD_LETTER_KEY_LIMIT = 900_000, 100_000


class DeadLetter(msgspec.Struct, kw_only=True):
    """A refused message: its original bytes, where it stood, and why it was refused.

    `error` is a code and a sentence; `failed_at` an ISO 8601 instant; `original_size` is given when `value` holds
    only the first part of a message above 900,000 bytes, `original_key_size` the same of a key above 100,000.
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
    original_key_size: int | None = None

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
        sizes = {"original_size": self.original_size, "original_key_size": self.original_key_size}
        fields |= {name: size for name, size in sizes.items() if size is not None}
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
            original_key_size=int(found["original_key_size"]) if "original_key_size" in found else None,
        )
    except KeyError as error:
        raise RefusedMessage(Refusal.MISSING_FIELD, f"no dead letter: the header {error.args[0]} is missing") from None
    except ValueError as error:
        raise RefusedMessage(Refusal.BAD_FIELD, f"no dead letter: {error}") from None

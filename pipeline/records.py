"""Questions to a Kafka record."""

from __future__ import annotations

from confluent_kafka.cimpl import Message

from pipeline.events import DeadLetter, parse_dead_letter


def place(record: Message) -> str:
    """Where a record stands: topic[partition]@offset."""
    return f"{record.topic()}[{record.partition()}]@{record.offset()}"


def dead_letter(record: Message) -> DeadLetter:
    """The dead letter in a record; raises RefusedMessage."""
    headers = record.headers() or []
    return parse_dead_letter(record.key(), record.value(), headers if isinstance(headers, list) else [*headers.items()])

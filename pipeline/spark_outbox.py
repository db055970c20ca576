"""What a task sends to Kafka by itself, beside what it hands back to Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import Message as KafkaRecord

from pipeline import broker
from pipeline.broker import Connection
from pipeline.delivery import PERMANENT
from pipeline.spark_errors import TaskError, TaskOutage

Headers = list[tuple[str, str | bytes | None]]

# Messages that wait for their acknowledgement at most, and their size: dead letters may be large, and workers several.
BUFFER, BUFFER_KIB = 20_000, 32 * 1024
# As much as Java's client sends, and a broker takes by default: more than the greatest dead letter.
MESSAGE_BYTES = 1_048_576
# How long each may wait, and the longest pause for room.
PATIENCE_SECONDS, ROOM_SECONDS = 20.0, 0.1


class Outbox:
    """Sends messages, all of which are acknowledged when `finish` returns.

    `send` and `finish` raise TaskOutage where the broker is away, and TaskError where it refuses for good: then all of
    the task's messages are to be sent again, by another outbox.
    """

    def __init__(self, link: Connection) -> None:
        self._failure: TaskOutage | TaskError | None = None
        self._servers = link.servers
        self._producer = broker.make_producer(
            link, buffer=BUFFER, buffer_kib=BUFFER_KIB, patience=PATIENCE_SECONDS, message_max_bytes=MESSAGE_BYTES
        )

    def send(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of `RouterTask.SCHEMA`; those without headers need not have that field."""
        for row in rows:
            headers: Headers = [(one["key"], one["value"]) for one in row.get("headers") or ()]
            self._produce(row["topic"], row["key"], row["value"], headers)
        self._serve(0)

    def finish(self) -> None:
        """Wait for all acknowledgements."""
        while len(self._producer):
            self._serve(ROOM_SECONDS)
        self._serve(0)

    def close(self) -> None:
        """Forget what still waits."""
        self._producer.purge()
        # Each of them holds this outbox until it has been told.
        with suppress(KafkaException):
            self._producer.poll(0)

    def _produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._on_delivery)
                return
            except BufferError:
                self._serve(ROOM_SECONDS)
            except KafkaException as error:
                raise self._failed(topic, error.args[0]) from None

    def _serve(self, seconds: float) -> None:
        try:
            self._producer.poll(seconds)
        except KafkaException as error:
            self._failure = self._failure or self._failed("Kafka", error.args[0])
        if self._failure:
            raise self._failure

    def _on_delivery(self, error: KafkaError | None, record: KafkaRecord[Any, Any]) -> None:
        if error is not None:
            self._failure = self._failure or self._failed(record.topic() or "", error)

    def _failed(self, topic: str, error: KafkaError) -> TaskOutage | TaskError:
        if error.code() in PERMANENT:
            return TaskError(
                f"the broker at {self._servers} does not take what we send to {topic}: {error.str()}; "
                "see what this user may do there, and the topic's max.message.bytes"
            )
        return TaskOutage(f"the broker at {self._servers} has not taken what we sent to {topic}: {error.str()}")

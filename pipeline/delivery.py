"""Handing messages to Kafka and keeping each one until the broker has acknowledged it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TextIO

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.cimpl import Message as KafkaRecord

from pipeline.clock import Clock
from pipeline.console import UserError
from pipeline.faults import Fault
from pipeline.ledger import LedgerWriter
from pipeline.messages import Message
from pipeline.tally import Tally

log = logging.getLogger(__name__)

# What sending again cannot mend.
PERMANENT = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
AWAY = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}
# Below this a wait is slept through; above it the client is polled, which ends the wait when something happens.
SHORT_WAIT_SECONDS = 0.02
RESEND_PAUSE_SECONDS = 0.5
LONGEST_PURGE_POLLS = 100


class Delivery(Protocol):
    """Where messages go."""

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Take messages; returns those for which there is no room yet."""

    def serve(self, seconds: float) -> None:
        """Do what is due, for at most so many seconds."""

    @property
    def waiting(self) -> int:
        """Messages that nobody has acknowledged yet."""


class StdoutDelivery:
    """The dry run: messages as lines of JSON."""

    def __init__(self, tally: Tally, stream: TextIO, clock: Clock) -> None:
        self._tally, self._stream, self._clock = tally, stream, clock
        self.waiting = 0

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Write messages."""
        # A malformed message may be no UTF-8; what is not is shown escaped.
        lines = [message.payload.decode("utf-8", "backslashreplace") + "\n" for message in messages]
        self._stream.write("".join(lines))
        self._tally.count_sent(messages)
        self._tally.acknowledged += len(messages)
        return []

    def serve(self, seconds: float) -> None:
        """Show what was written, and wait."""
        self._stream.flush()
        self._clock.sleep(seconds)

    def close(self) -> None:
        """Write what is still buffered."""
        self._stream.flush()


class KafkaDelivery:
    """Sends to a topic; a message leaves it only acknowledged, or refused for good.

    The Kafka client repeats what a passing fault stopped. What it gives up nevertheless (a fatal error of the
    idempotent producer, a topic that is gone for a while) is sent again under the same event id, by a new client
    where the old one is beyond repair. It holds `buffer` messages.
    """

    def __init__(
        self,
        make_producer: Callable[..., Producer],
        topic: str,
        tally: Tally,
        ledger: LedgerWriter | None,
        clock: Clock,
        buffer: int,
    ) -> None:
        self._buffer = buffer
        self._make_producer, self._topic, self._clock = make_producer, topic, clock
        self._tally, self._ledger = tally, ledger
        self._again: deque[Message] = deque()
        # Seconds that the latest acknowledgements took.
        self._latencies: list[float] = []
        self._resend_at = 0.0
        self._away = False
        self._fatal: str | None = None
        self._refusal: str | None = None
        self._reported: set[int] = set()
        self._producer = make_producer(buffer=buffer, error_cb=self._on_error)

    @property
    def waiting(self) -> int:
        """Messages that nobody has acknowledged yet."""
        return self._tally.waiting

    def send(self, messages: Sequence[Message]) -> list[Message]:
        """Take messages; returns those that the buffer has no room for."""
        if self._again:
            return list(messages)
        taken, left = self._produce(messages)
        self._tally.count_sent(taken)
        if self._ledger:
            self._ledger.sent(len(taken))
        return left

    def _produce(self, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Message]]:
        """Hand messages to the client; returns those that it took, and the others."""
        room = max(self._buffer - len(self._producer), 0)
        wanted = messages[:room]
        # The ledger wants to know of each message; else a record says enough to send it again.
        records: list[dict[str, Any]] = [{"value": one.payload, "key": one.key} for one in wanted]
        if self._ledger:
            for record, one in zip(records, wanted, strict=True):
                record["callback"] = partial(self._on_delivery, one)
        try:
            count = self._producer.produce_batch(self._topic, records, on_delivery=self._on_any_delivery)
        except KafkaException as error:
            self._on_error(error.args[0])
            return (), list(messages)
        if count == len(messages):
            return messages, []
        # The client writes into each record that it did not take why.
        refused = [(one, record["_error"]) for one, record in zip(wanted, records, strict=True) if "_error" in record]
        for _, why in refused:
            if why.code() != KafkaError._QUEUE_FULL:
                self._on_error(why)
        taken = [one for one, record in zip(wanted, records, strict=True) if "_error" not in record]
        return taken, [*(one for one, _ in refused), *messages[room:]]

    def serve(self, seconds: float) -> None:
        """Take acknowledgements, send again what has to be, for at most so many seconds.

        Raises UserError when the broker does not let us send anything.
        """
        self._poll(seconds if seconds > SHORT_WAIT_SECONDS else 0)
        if 0 < seconds <= SHORT_WAIT_SECONDS:
            self._clock.sleep(seconds)
        now = self._clock.monotonic()
        if self._fatal:
            self._replace_producer()
        if self._again and now >= self._resend_at:
            _, left = self._produce(tuple(self._again))
            self._again = deque(left)
            self._resend_at = now + RESEND_PAUSE_SECONDS
        if self._ledger:
            self._ledger.write_if_due(now)

    def _poll(self, seconds: float) -> None:
        try:
            self._producer.poll(seconds)
        except KafkaException as error:
            self._on_error(error.args[0])
        self._count_acknowledged()
        if self._refusal:
            raise UserError(
                f"the broker does not let us write to {self._topic}: {self._refusal}; "
                "check --sasl-username, and what that user may do"
            )

    def close(self) -> None:
        """Forget what still waits, so that the client can end without its acknowledgements."""
        self._producer.purge()

    def _replace_producer(self) -> None:
        log.warning("the Kafka client gave up (%s); a new one takes over", self._fatal)
        self._producer.purge()
        # The purge reports every message that was still on its way, which puts it among those to send again. The client
        # raises fatal errors, and its flush goes on all the same, into memory that is not its own.
        for _ in range(LONGEST_PURGE_POLLS):
            if not len(self._producer):
                break
            self._poll(SHORT_WAIT_SECONDS)
        self._fatal = None
        self._producer = self._make_producer(buffer=self._buffer, error_cb=self._on_error)

    def _on_any_delivery(self, error: KafkaError | None, record: KafkaRecord[Any, Any]) -> None:
        if error is None:
            self._latencies.append(record.latency() or 0.0)
        else:
            # Nobody asks for the rest: there is no ledger.
            self._failed(Message(record.key() or b"", record.value() or b"", 0, 0, 0, False, Fault.NONE), error)

    def _on_delivery(self, message: Message, error: KafkaError | None, record: KafkaRecord[Any, Any]) -> None:
        if error is not None:
            self._failed(message, error)
            return
        self._latencies.append(record.latency() or 0.0)
        if self._ledger:
            partition, offset = record.partition(), record.offset()
            self._ledger.acknowledged(message, -1 if partition is None else partition, -1 if offset is None else offset)

    def _failed(self, message: Message, error: KafkaError) -> None:
        if error.code() in PERMANENT:
            self._tally.failed += 1
            if self._ledger:
                self._ledger.failed(message)
            self._report(error, "%s cannot be sent: %s", message.key.decode(), error.str())
        else:
            self._again.append(message)
            self._report(error, "a message was not taken (%s); it will be sent again", error.str())

    def _count_acknowledged(self) -> None:
        if not self._latencies:
            return
        self._tally.acknowledged += len(self._latencies)
        self._tally.latency.record(self._latencies)
        self._latencies.clear()
        if self._away:
            self._away = False
            log.info("the broker answers again")

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
            # A producer that may write to no topic gets no identity; another client would get none either.
            self._refusal = error.str()
        elif error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = error.str()
        elif error.code() in AWAY and not self._away:
            self._away = True
            log.warning("the broker does not answer; readings wait and none is lost")
        elif error.code() not in AWAY:
            self._report(error, "Kafka says: %s", error.str())

    def _report(self, error: KafkaError, text: str, *details: str) -> None:
        # One line for each kind of error, not for each of perhaps a million messages.
        if error.code() not in self._reported:
            self._reported.add(error.code())
            log.warning(text, *details)

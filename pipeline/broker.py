"""Kafka: client settings, security, the topics, and a check that a broker answers."""

from __future__ import annotations

import argparse
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from pipeline.console import UsageError, UserError

log = logging.getLogger(__name__)

# A user who mistyped an address must not wait for a minute.
CONNECT_SECONDS = 6.0
LEADER_POLL_SECONDS = 0.05
QUESTION_SECONDS = 0.5
# Each batch is a request of its own, which the broker pays for: who is in no hurry lets others join it.
LINGER_MS = 20.0
_REFUSING = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL)


@dataclass(frozen=True)
class Topic:
    """A topic as it is created where it is missing."""

    name: str
    partitions: int
    retention_days: int = 7

    def config(self) -> dict[str, str]:
        """The topic's settings at the broker.

        LogAppendTime gives every record the broker's clock: what is judged by it gives the same answer when replayed.
        """
        return {"retention.ms": str(self.retention_days * 86_400_000), "message.timestamp.type": "LogAppendTime"}


def readings_topic(name: str) -> Topic:
    """The topic of the readings."""
    return Topic(name, partitions=3)


def alerts_topic(name: str) -> Topic:
    """The topic of the alerts."""
    return Topic(name, partitions=3)


def dead_letter_topic(name: str) -> Topic:
    """The topic of the refused messages."""
    return Topic(name, partitions=1)


def topics(settings: argparse.Namespace) -> list[Topic]:
    """All topics of a pipeline, by the options that name them."""
    return [
        readings_topic(settings.topic),
        alerts_topic(settings.alerts_topic),
        dead_letter_topic(settings.dead_letter_topic),
    ]


@dataclass(frozen=True)
class Connection:
    """How to reach the brokers: addresses and security, as librdkafka's properties."""

    servers: str
    security: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def properties(self, **more: Any) -> dict[str, Any]:
        """Properties for a client; the names in `more` have underscores for dots, but for callbacks."""
        named = {name if callable(value) else name.replace("_", "."): value for name, value in more.items()}
        return {
            "bootstrap.servers": self.servers,
            # librdkafka's own lines go through logging, never straight to the terminal.
            "logger": _client_log,
            "log.connection.close": False,
            "reconnect.backoff.max.ms": 2000,
            "allow.auto.create.topics": False,
            **dict(self.security),
            **named,
        }

    def portable(self) -> Connection:
        """The same for a machine that has not the files which it names: with their content. Reads them."""
        security = [
            (_CONTENT[name], Path(value).read_text(encoding="utf-8")) if name in _CONTENT else (name, value)
            for name, value in self.security
        ]
        return Connection(self.servers, tuple(security))


# librdkafka's names for a file, and for what is in it.
_CONTENT = {f"ssl.{what}.location": f"ssl.{what}.pem" for what in ("ca", "certificate", "key")}
_client_log = logging.getLogger("kafka-client")
# Its lines repeat what our own messages say better; --debug shows them.
_client_log.addFilter(lambda _: logging.getLogger().isEnabledFor(logging.DEBUG))


def connection(settings: argparse.Namespace) -> Connection:
    """The connection that the options describe; raises UsageError when they do not fit together."""
    protocol = settings.security_protocol
    properties: dict[str, str] = {}
    if protocol != "PLAINTEXT":
        properties["security.protocol"] = protocol
    if protocol.startswith("SASL"):
        if not settings.sasl_username or not settings.sasl_password:
            raise UsageError(f"--security-protocol {protocol} needs --sasl-username and --sasl-password")
        properties["sasl.mechanism"] = settings.sasl_mechanism
        properties["sasl.username"] = settings.sasl_username
        properties["sasl.password"] = settings.sasl_password
    elif settings.sasl_username or settings.sasl_password:
        raise UsageError("--sasl-username and --sasl-password need --security-protocol SASL_PLAINTEXT or SASL_SSL")
    files = {
        "ssl.ca.location": settings.ssl_ca,
        "ssl.certificate.location": settings.ssl_certificate,
        "ssl.key.location": settings.ssl_key,
    }
    if any(files.values()) and not protocol.endswith("SSL"):
        raise UsageError("--ssl-ca, --ssl-certificate and --ssl-key need --security-protocol SSL or SASL_SSL")
    properties |= {name: str(path) for name, path in files.items() if path}
    return Connection(settings.servers, tuple(properties.items()))


def ensure_topics(link: Connection, topics: Sequence[Topic], *, timeout: float = CONNECT_SECONDS) -> None:
    """Check that a broker answers and create the topics that are missing.

    Raises UserError when no broker answers within `timeout` seconds, refuses us, or cannot create a topic.
    """
    errors: list[KafkaError] = []
    admin = _admin(link, errors)
    existing = _topic_names(admin, link, timeout, errors)
    missing = [topic for topic in topics if topic.name not in existing]
    if missing:
        _create(admin, link, missing, timeout)
    _await_leaders(admin, link, topics, timeout)


def cluster_and_partitions(link: Connection, topic: str, *, timeout: float = CONNECT_SECONDS) -> tuple[str, int]:
    """The id of the cluster that answers, and how many partitions a topic has there; raises UserError."""
    try:
        known = _admin(link, []).list_topics(topic, timeout=timeout)
    except KafkaException as error:
        raise UserError(f"the topic {topic} at {link.servers} does not answer: {error.args[0].str()}") from None
    return str(known.cluster_id), len(known.topics[topic].partitions)


def _create(admin: AdminClient, link: Connection, topics: Sequence[Topic], timeout: float) -> None:
    futures = admin.create_topics(
        [NewTopic(t.name, num_partitions=t.partitions, config=t.config()) for t in topics], request_timeout=timeout
    )
    for name, future in futures.items():
        try:
            future.result()
            log.info("created topic %s", name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise UserError(f"topic {name} cannot be created at {link.servers}: {error.args[0].str()}") from None


def _await_leaders(admin: AdminClient, link: Connection, topics: Sequence[Topic], timeout: float) -> None:
    """Wait until every partition can be read: a new topic is known before its partitions have leaders."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            known = admin.list_topics(timeout=timeout).topics
            partitions = [TopicPartition(t.name, number) for t in topics for number in known[t.name].partitions]
            offsets = admin.list_offsets({one: OffsetSpec.latest() for one in partitions}, request_timeout=timeout)
            for future in offsets.values():
                future.result()
            # A topic that is just appearing shows no partition at first.
            if all(known[t.name].partitions for t in topics):
                return
        except (KafkaException, KeyError) as error:
            reason = str(error)
        else:
            reason = "it has no partitions"
        if time.monotonic() > deadline:
            names = ", ".join(topic.name for topic in topics)
            raise UserError(f"{names} at {link.servers} cannot be used yet ({reason}); see that the broker is well")
        time.sleep(LEADER_POLL_SECONDS)


def _admin(link: Connection, errors: list[KafkaError]) -> AdminClient:
    try:
        return AdminClient(link.properties(error_cb=errors.append))
    except KafkaException as error:
        raise UsageError(f"the connection's options do not fit together: {error.args[0].str()}") from None


def _topic_names(admin: AdminClient, link: Connection, timeout: float, errors: list[KafkaError]) -> set[str]:
    deadline = time.monotonic() + timeout
    while True:
        try:
            # The client cannot be woken by a signal, so it never waits for long.
            return set(admin.list_topics(timeout=QUESTION_SECONDS).topics)
        except KafkaException as error:
            admin.poll(0)
            reasons = [error.args[0], *errors]
        for reason in reasons:
            if reason.code() in _REFUSING:
                raise UserError(
                    f"the broker at {link.servers} does not let us in: {reason.str()}; "
                    "check --security-protocol, the credentials and the certificates"
                )
        if time.monotonic() > deadline:
            raise UserError(_silence(link, reasons))


def _silence(link: Connection, reasons: list[KafkaError]) -> str:
    # What the client says when its first words were not understood; where a proxy listens, it notices nothing.
    spoken = any(word in reason.str() for reason in reasons for word in ("security.protocol", "handshake failed"))
    if spoken or any(_listens(server) for server in link.servers.split(",")):
        return (
            f"what listens at {link.servers} does not speak Kafka as we do; "
            "see that it is a broker that has started, and that --security-protocol is the one that it expects"
        )
    return (
        f"no Kafka broker answers at {link.servers}; start one with 'python stack.py up --services kafka', "
        "or name another with --servers"
    )


def _listens(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=QUESTION_SECONDS).close()
    except OSError:
        return False
    return True


def make_producer(
    link: Connection,
    *,
    buffer: int,
    buffer_kib: int = 1_048_576,
    patience: float = 0,
    linger: float = LINGER_MS,
    **more: Any,
) -> Producer:
    """A producer that loses nothing: acks=all, idempotent, no time limit on a message unless `patience` sets one.

    `buffer` is how many messages it holds, of `buffer_kib` in all; beyond that `produce` raises BufferError. A message
    that is not acknowledged after `patience` seconds (0: whenever) has failed. A message waits up to `linger`
    milliseconds for others to share its batch. Keys go to the partitions that Java's clients choose.
    """
    return Producer(
        link.properties(
            acks="all",
            enable_idempotence=True,
            message_timeout_ms=round(patience * 1000),
            compression_type="lz4",
            linger_ms=linger,
            batch_size=262_144,
            queue_buffering_max_messages=buffer,
            queue_buffering_max_kbytes=buffer_kib,
            partitioner="murmur2_random",
            **more,
        )
    )


def make_consumer(link: Connection, *, group: str | None, **more: Any) -> Consumer:
    """A consumer that commits nothing by itself. Who uses it says at which offset each partition begins.

    An offset that retention has removed meanwhile is followed by the oldest one that is left.
    """
    return Consumer(
        link.properties(
            # librdkafka wants a group's name even where none is joined.
            group_id=group or "ungrouped",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # A killed member's partitions go to the others after this time.
            session_timeout_ms=10_000,
            queued_max_messages_kbytes=16_384,
            # With the default of a second, a full queue makes a fast reader wait for most of its time.
            fetch_queue_backoff_ms=20,
            **more,
        )
    )

"""What a user tries at a broker, and how the broker answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from harness import HANG_SECONDS

from pipeline.broker import Connection, make_consumer, make_producer

Attempt = Callable[[Connection], None]


def write(topic: str) -> Attempt:
    """Write a message."""

    def attempt(link: Connection) -> None:
        refusal: KafkaError | None = None

        def note(error: KafkaError | None, _record: object) -> None:
            nonlocal refusal
            refusal = error

        producer: Producer = make_producer(link, buffer=100, patience=HANG_SECONDS)
        producer.produce(topic, b"{}", on_delivery=note)
        try:
            # Raises what is fatal; flush would go on after that.
            while len(producer) and not refusal:
                producer.poll(HANG_SECONDS)
        finally:
            producer.purge()
        if refusal:
            raise KafkaException(refusal)

    return attempt


def read(topic: str, group: str | None = None) -> Attempt:
    """Read a topic's first message, in a group if one is named."""

    def attempt(link: Connection) -> None:
        consumer: Consumer = make_consumer(link, group=group)
        try:
            # Who may not even know of a topic would wait for it for ever.
            error = consumer.list_topics(topic, timeout=HANG_SECONDS).topics[topic].error
            if error:
                raise KafkaException(error)
            if group:
                consumer.subscribe([topic])
            else:
                consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
            record = consumer.poll(HANG_SECONDS)
            assert record is not None, f"no answer within {HANG_SECONDS} s"
            error = record.error()
            if error:
                raise KafkaException(error)
        finally:
            consumer.close()

    return attempt


def see(topic: str) -> Attempt:
    """Ask for a topic's partitions."""

    def attempt(link: Connection) -> None:
        error = AdminClient(link.properties()).list_topics(topic, timeout=HANG_SECONDS).topics[topic].error
        if error:
            raise KafkaException(error)

    return attempt


def create(topic: str) -> Attempt:
    """Make a topic."""
    return lambda link: _ask(link, lambda admin: admin.create_topics([NewTopic(topic, num_partitions=1)]).values())


def delete(topic: str) -> Attempt:
    """Delete a topic."""
    return lambda link: _ask(link, lambda admin: admin.delete_topics([topic]).values())


def grant(user: str, topic: str) -> Attempt:
    """Give a user the right to write to a topic."""
    binding = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation.WRITE,
        AclPermissionType.ALLOW,
    )
    return lambda link: _ask(link, lambda admin: admin.create_acls([binding]).values())


def look(link: Connection) -> None:
    """Ask which topics there are."""
    errors: list[KafkaError] = []
    admin = AdminClient(link.properties(error_cb=errors.append))
    try:
        admin.list_topics(timeout=5)
    except KafkaException as error:
        admin.poll(0)
        raise (KafkaException(errors[0]) if errors else error) from None


def answer(attempt: Attempt, link: Connection) -> str:
    """ "allowed", or the name of the broker's refusal."""
    try:
        attempt(link)
    except KafkaException as error:
        return str(error.args[0].name())
    return "allowed"


def _ask(link: Connection, question: Callable[[AdminClient], Iterable[Future[Any]]]) -> None:
    # Without the client its answers are lost.
    admin = AdminClient(link.properties())
    for future in question(admin):
        future.result(HANG_SECONDS)

"""Reading and writing topics in tests, with a client of their own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition


def read_all(servers: str, topic: str) -> list[Message]:
    """Every record that a topic holds now."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test-reader", "enable.auto.commit": False})
    try:
        partitions = [
            TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, 30).topics[topic].partitions
        ]
        ends = [consumer.get_watermark_offsets(partition, timeout=30)[1] for partition in partitions]
        consumer.assign(partitions)
        records: list[Message] = []
        deadline = time.monotonic() + 60
        while len(records) < sum(ends):
            records.extend(consumer.consume(sum(ends) - len(records), timeout=0.5))
            assert time.monotonic() < deadline, f"{topic} stopped at {len(records)} of {sum(ends)} records"
    finally:
        consumer.close()
    for record in records:
        assert record.error() is None
    return records


def write_all(
    servers: str,
    topic: str,
    payloads: Iterable[bytes | None],
    *,
    key: bytes | None = None,
    headers: Any = None,
) -> None:
    """Send payloads (None is a record without a value) and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 20})
    for payload in payloads:
        producer.produce(topic, payload, key, headers=headers)
    assert producer.flush(60) == 0

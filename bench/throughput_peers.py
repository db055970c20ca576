"""Two Kafka clients side by side: confluent-kafka, which this project uses, and kafka-python, written in Python alone.

Both send and read the same messages at the same broker, in turns. What counts is the ratio: it is the reason for the
choice, and tells what a change of the client would cost.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kafka
import measuring
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from harness import local_broker

from pipeline.broker import Connection, ensure_topics, make_consumer, make_producer, readings_topic
from pipeline.events import SensorReading, encode

PARTITIONS = 3
PAYLOAD = encode(
    SensorReading(
        event_id="5eed0000-0001-8000-8000-000100000002",
        run="5eed00000001",
        sequence=1,
        timestamp="2026-01-31T08:00:00.123456Z",
        sensor_id="sensor_0042",
        sensor_type="temperature",
        value=21.5,
        unit="°C",
        location="factory-floor-a1",
        status="normal",
        metadata={"sensor_model": "MODEL_01", "battery_level": 88},
    )
)
KEYS = [f"sensor_{number:04d}".encode() for number in range(1000)]


class Acknowledgements:
    """Counts what the broker has taken; both clients ask for a callback for each message."""

    def __init__(self) -> None:
        self.count = 0

    def take(self, *_: object) -> None:
        """One more."""
        self.count += 1


def send_with_confluent(servers: str, topic: str, count: int) -> None:
    """Send through the project's own producer."""
    producer, taken = make_producer(Connection(servers), buffer=200_000), Acknowledgements()
    for number in range(count):
        while True:
            try:
                producer.produce(topic, PAYLOAD, KEYS[number % 1000], on_delivery=taken.take)
                break
            except BufferError:
                producer.poll(0.05)
        if number % 500 == 0:
            producer.poll(0)
    producer.flush()
    assert taken.count == count


def send_with_kafka_python(servers: str, topic: str, count: int) -> None:
    """Send with the same promises: acks=all, idempotent, lz4, large batches."""
    taken = Acknowledgements()
    producer = kafka.KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
        batch_size=262_144,
    )
    for number in range(count):
        producer.send(topic, PAYLOAD, key=KEYS[number % 1000]).add_callback(taken.take)
    producer.flush()
    producer.close()
    assert taken.count == count


def read_with_confluent(servers: str, topic: str, count: int) -> None:
    """Read through the project's own consumer, in its batches."""
    consumer = make_consumer(Connection(servers), group=None)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    seen = 0
    while seen < count:
        seen += sum(record.value() == PAYLOAD for record in consumer.consume(1000, 0.5))
    consumer.close()


def read_with_kafka_python(servers: str, topic: str, count: int) -> None:
    """Read in batches of the same size, without a group."""
    consumer = kafka.KafkaConsumer(bootstrap_servers=servers, group_id=None, auto_offset_reset="earliest")
    consumer.assign([kafka.TopicPartition(topic, number) for number in range(PARTITIONS)])
    seen = 0
    while seen < count:
        for records in consumer.poll(500, max_records=1000).values():
            seen += sum(record.value == PAYLOAD for record in records)
    consumer.close()


def costs(work: Callable[[str, str, int], None], servers: str, topic: str, count: int) -> tuple[float, float]:
    """Microseconds a message: of the wall clock, and of this process's processor time."""
    wall, used = time.perf_counter(), time.process_time()
    work(servers, topic, count)
    return (time.perf_counter() - wall) / count * 1e6, (time.process_time() - used) / count * 1e6


def compare(title: str, measured: dict[str, list[tuple[float, float]]]) -> None:
    """Print the medians of both clients and their ratio."""
    medians = {}
    for name, rounds in measured.items():
        wall, used = medians[name] = tuple(statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{title:8} {name:16} {1e6 / wall:>10,.0f}/s  {wall:6.2f} µs a message, {used:6.2f} µs of processor time")
    wall, used = (slow / fast for slow, fast in zip(medians["kafka-python"], medians["confluent-kafka"], strict=True))
    print(f"{title:8} kafka-python takes {wall:.1f} times as long and {used:.1f} times the processor time")


def main() -> int:
    """Send and read in turns, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="messages in each round (default: 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each client (default: 3)")
    options = parser.parse_args()
    senders = {"confluent-kafka": send_with_confluent, "kafka-python": send_with_kafka_python}
    readers = {"confluent-kafka": read_with_confluent, "kafka-python": read_with_kafka_python}
    sent: dict[str, list[tuple[float, float]]] = {name: [] for name in senders}
    read: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
    with tempfile.TemporaryDirectory() as folder, local_broker(Path(folder)) as broker:
        for number in range(options.rounds):
            for name, send in senders.items():
                topic = f"bench-{name}-{number}"
                ensure_topics(Connection(broker.servers), [readings_topic(topic)])
                sent[name].append(costs(send, broker.servers, topic, options.messages))
            # Both read the same topic, filled by the first.
            for name, reader in readers.items():
                read[name].append(costs(reader, broker.servers, f"bench-confluent-kafka-{number}", options.messages))
    compare("sending", sent)
    compare("reading", read)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

"""Readings for tests, sent to Kafka with their sensor's name as key."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd
from confluent_kafka import Producer

from pipeline.events import SensorReading, encode

TYPES = ("temperature", "humidity", "pressure")


def some_readings(count: int, *, sensors: int = 30, seed: int = 1) -> list[SensorReading]:
    """Readings of now, spread over sensors and types."""
    rng = random.Random(seed)
    now = datetime.now(UTC).isoformat()
    return [
        SensorReading(
            event_id=str(uuid.UUID(int=rng.getrandbits(128))),
            timestamp=now,
            sensor_id=f"sensor_{number % sensors:02d}",
            sensor_type=TYPES[number % len(TYPES)],
            value=rng.gauss(20, 5),
        )
        for number in range(count)
    ]


def send(servers: str, topic: str, readings: Iterable[SensorReading]) -> None:
    """Send readings and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 20})
    for reading in readings:
        producer.produce(topic, encode(reading), reading.sensor_id.encode())
    assert producer.flush(60) == 0


def expected_means(readings: Iterable[SensorReading], by: str) -> pd.Series:
    """The mean value by sensor_type or sensor_id, computed by pandas alone."""
    frame = pd.DataFrame([(one.sensor_type, one.sensor_id, one.value) for one in readings])
    frame.columns = ["sensor_type", "sensor_id", "value"]
    return frame.groupby(by)["value"].mean()

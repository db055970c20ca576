"""Whether consumer.py's memory stays flat while it counts millions of readings, and how fast it counts.

A topic is filled first and then read from its beginning, so that the consumer is never short of work. The figure that
counts is the growth of its resident memory from the first half of the readings to the second: with more than 5 % the
benchmark fails.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime
from operator import attrgetter
from threading import Thread
from typing import IO

import measuring
import numpy as np
from harness import local_broker
from measuring import consuming, keep_table, server

from pipeline import event_ids
from pipeline.broker import Connection, ensure_topics, make_producer, readings_topic
from pipeline.catalog import Catalog
from pipeline.events import SensorReading, encode

SENSORS = 1000
RUN = "5eed00000001"
# As many different readings are made; the consumer has no memory for event ids, so they may come again.
DIFFERENT = 50_000
SAMPLE_SECONDS, TABLE_SECONDS = 0.1, 0.5
# Until then the libraries are still filling their own buffers.
WARM_UP = 0.1
# By so much of the first half's median the second half's may be larger.
GROWTH = 0.05


def messages() -> list[tuple[bytes, bytes]]:
    """Keys and payloads of readings of now, spread over the sensors of a default fleet."""
    catalog, numbers = Catalog(), np.arange(DIFFERENT)
    now = datetime.now(UTC).isoformat()
    values = np.random.default_rng(1).normal(20, 5, DIFFERENT).round(2).tolist()
    made = []
    for number, event_id in enumerate(event_ids.encode(RUN, numbers // SENSORS, numbers % SENSORS)):
        sensor = number % SENSORS
        sensor_type = catalog.fleet_types[sensor % len(catalog.fleet_types)]
        reading = SensorReading(
            event_id=event_id,
            run=RUN,
            sequence=number // SENSORS,
            timestamp=now,
            sensor_id=f"sensor_{sensor:03d}",
            sensor_type=sensor_type,
            value=values[number],
            unit=catalog.unit(sensor_type),
            location=catalog.locations[sensor % len(catalog.locations)],
            status="normal",
            metadata={"sensor_model": "MODEL_01", "battery_level": 88},
        )
        made.append((reading.sensor_id.encode(), encode(reading)))
    return made


def fill(link: Connection, topic: str, count: int) -> None:
    """Send so many readings and wait until the broker has them all."""
    made = messages()
    producer = make_producer(link, buffer=200_000)
    for number in range(count):
        key, payload = made[number % DIFFERENT]
        while True:
            try:
                producer.produce(topic, payload, key)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    if producer.flush(600):
        raise SystemExit("the broker did not take all readings")


class Progress(Thread):
    """Reads the consumer's JSON lines: how many readings it has counted."""

    def __init__(self, lines: IO[str]) -> None:
        super().__init__(daemon=True)
        self.records = 0
        self._lines = lines

    def run(self) -> None:
        """Follow the lines to their end."""
        for line in self._lines:
            self.records = json.loads(line)["records"]


def measure(link: Connection, topic: str, count: int) -> list[tuple[float, int, int]]:
    """Run the consumer until it has counted all readings; samples of seconds, readings counted, resident bytes."""
    with consuming(link.servers, topic, count, TABLE_SECONDS) as child:
        progress, samples = Progress(child.stdout), []
        progress.start()
        begin = time.monotonic()
        while child.poll() is None and progress.records < count:
            samples.append((time.monotonic() - begin, progress.records, child.memory_info().rss))
            time.sleep(SAMPLE_SECONDS)
    if progress.records != count:
        raise SystemExit(f"the consumer counted {progress.records:,} of {count:,} readings")
    return [*samples, (time.monotonic() - begin, count, samples[-1][2])]


def report(samples: list[tuple[float, int, int]], count: int) -> float:
    """Print and keep the figures; by what share of the first half's memory the second half's is larger."""

    def memory(low: float, high: float) -> list[float]:
        """The samples of a part of the readings, in MiB."""
        return [rss / 2**20 for _, records, rss in samples if low * count <= records < high * count]

    halves = [memory(WARM_UP, 0.5), memory(0.5, 1.0)]
    if not all(halves):
        raise SystemExit("too few readings for two halves; give more with --messages")
    first, second = map(statistics.median, halves)
    tenths = [memory(tenth / 10, (tenth + 1) / 10) for tenth in range(10)]
    # Whole intervals alone: the first table tells when the counting had begun.
    started, counted = next((seconds, records) for seconds, records, _ in samples if records)
    rate = (count - counted) / (samples[-1][0] - started)
    about = (
        f"consumer.py counts {count:,} readings of {SENSORS:,} sensors from the beginning of a topic, {rate:,.0f} a "
        f"second. Its memory, median of each tenth; from the first half to the second it grew by {second - first:+.1f} "
        f"MiB, and {max(map(max, halves)):.1f} MiB were the most."
    )
    lines = [
        f"| part of the readings | {' | '.join(f'{10 * tenth} … {10 * tenth + 10} %' for tenth in range(10))} |",
        f"|---|{'---:|' * 10}",
        f"| MiB | {' | '.join(f'{statistics.median(tenth):.1f}' if tenth else '–' for tenth in tenths)} |",
    ]
    keep_table("consumer_memory", about, "\n".join(lines))
    return second / first - 1


def main() -> int:
    """Fill a topic, count it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000, help="how many readings (default: 10000000)")
    parser.add_argument("--servers", help="a broker to use (default: one of our own)")
    options = parser.parse_args()
    with server(options.servers, local_broker, attrgetter("servers")) as address:
        link, topic = Connection(address), f"bench-consumer-{time.time_ns():x}"
        ensure_topics(link, [readings_topic(topic)])
        fill(link, topic, options.messages)
        growth = report(measure(link, topic, options.messages), options.messages)
    if growth > GROWTH:
        print(f"its memory grew by {growth:.1%} from the first half to the second, over {GROWTH:.0%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

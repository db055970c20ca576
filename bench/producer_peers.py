"""How fast producer.py sends without a timetable, against what people would use instead.

All send readings of the contract's size and shape (Kafka's own tool: bytes of producer.py's that are ready) with
acks=all to three partitions of one broker, and take turns. The baseline is the tuned loop with kafka-python.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import measuring
from confluent_kafka import Consumer, TopicPartition
from harness import local_broker
from measuring import (
    PEERS,
    Round,
    by_json,
    by_producer,
    contest_parser,
    in_turns,
    keep,
    peer_environment,
    results,
    run_command,
)
from topics import read_all

from pipeline import jars, java
from pipeline.broker import Connection, ensure_topics, readings_topic
from pipeline.display import Display
from pipeline.runtime import ROOT

PARTITIONS = 3
BASELINE = "kafka-python, tuned"
# Seconds for an answer of the broker.
WAIT = 10.0
# Kafka's own tool sends these again and again, in any order.
READY = 20_000
# khaos is told a rate; more than it can. With less than so many a second it was not at work.
ASKED, LEAST = 50_000, 100

SCENARIO = """
name: readings
description: the contract's fields
topics:
  - name: {topic}
    partitions: {partitions}
    replication_factor: 1
    num_producers: 1
    num_consumer_groups: 0
    consumers_per_group: 0
    producer_rate: {rate}
    message_schema:
      key_distribution: uniform
      key_cardinality: 1000
      fields:
        - {{name: schema_version, type: int, min: 1, max: 1}}
        - {{name: event_id, type: uuid}}
        - {{name: run, type: string, min_length: 12, max_length: 12}}
        - {{name: sequence, type: int, min: 0, max: 1000000}}
        - {{name: timestamp, type: timestamp}}
        - {{name: sensor_id, type: string, cardinality: 1000}}
        - {{name: sensor_type, type: enum, values: [temperature, humidity, pressure]}}
        - {{name: value, type: float, min: 10.0, max: 30.0}}
        - {{name: unit, type: enum, values: ["°C", "%", "hPa"]}}
        - {{name: location, type: enum, values: [factory-floor-a1, office-lab]}}
        - {{name: status, type: enum, values: [normal, anomaly]}}
        - name: metadata
          type: object
          fields:
            - {{name: sensor_model, type: enum, values: [MODEL_01, MODEL_02]}}
            - {{name: battery_level, type: int, min: 20, max: 100}}
    producer_config: {{batch_size: 262144, linger_ms: 20, acks: "all", compression_type: lz4}}
"""


def by_performance(text: str) -> tuple[int, float]:
    """What ProducerPerformance says at its end."""
    *_, last = (line for line in text.splitlines() if "records/sec" in line)
    count, rate = re.findall(r"([\d.]+) records", last)[:2]
    return int(count), int(count) / float(rate)


def ends(consumer: Consumer, topic: str) -> list[tuple[int, int]]:
    """Of each partition, the offset of its first message and that after its last one."""
    return [consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=WAIT) for n in range(PARTITIONS)]


def stored(servers: str, topic: str) -> int:
    """How many messages a topic holds."""
    with closing(Consumer({"bootstrap.servers": servers, "group.id": "none"})) as consumer:
        return sum(high - low for low, high in ends(consumer, topic))


def spanned(servers: str, topic: str) -> tuple[int, float]:
    """How many messages a topic holds, and the seconds from the first one's timestamp to the last one's."""
    with closing(Consumer({"bootstrap.servers": servers, "group.id": "none"})) as consumer:
        found = ends(consumer, topic)
        moments = []
        for number, (low, high) in enumerate(found):
            for offset in (low, high - 1) if high > low else ():
                consumer.assign([TopicPartition(topic, number, offset)])
                record = consumer.poll(WAIT)
                if record is None or record.error():
                    raise RuntimeError(f"{topic} cannot be read at {number}/{offset}")
                moments.append(record.timestamp()[1])
    seconds = (max(moments) - min(moments)) / 1000 if moments else 0.0
    return sum(high - low for low, high in found), seconds


class Contest:
    """The contestants' commands against one broker; every round has a topic of its own."""

    def __init__(self, servers: str, folder: Path, count: int, khaos_seconds: int) -> None:
        self._servers, self._folder, self._count, self._khaos_seconds = servers, folder, count, khaos_seconds
        self._python = peer_environment("producer")
        with Display().step("java") as step:
            found = java.ensure(step)
        with Display().step("jars") as step:
            tools = jars.ensure("tools", found, step, ivy_file=PEERS / "ivy.xml")
        self._tool = [str(found.executable), "-cp", f"{tools}/*", "org.apache.kafka.tools.ProducerPerformance"]
        self._ready = self._readings_as_lines()

    def contestants(self) -> dict[str, Callable[[int], Round]]:
        """By name, what runs a round of each."""
        return {
            "kafka-python, as most write it": lambda n: self._loop("loop_kafka_python.py", n, "plain", part=4),
            BASELINE: lambda n: self._loop("loop_kafka_python.py", n, "tuned", part=4),
            "khaos": self._khaos,
            "confluent-kafka and orjson": lambda n: self._loop("loop_confluent.py", n),
            "producer.py": lambda n: self._ours(n, 1),
            "producer.py --processes 2": lambda n: self._ours(n, 2),
            "Kafka's ProducerPerformance": self._performance,
        }

    def _topic(self, name: str) -> str:
        topic = f"{name}-{time.monotonic_ns()}"
        ensure_topics(Connection(self._servers), [readings_topic(topic)])
        return topic

    def _readings_as_lines(self) -> Path:
        """A file with readings of producer.py."""
        topic, file = self._topic("ready"), self._folder / "readings.jsonl"
        run_command(self._producer(topic, READY), by_producer)
        file.write_bytes(b"\n".join(record.value() or b"" for record in read_all(self._servers, topic)))
        return file

    def _producer(self, topic: str, count: int, *more: str) -> list[str]:
        words = ("--servers", self._servers, "--topic", topic, "--sensors", "1000", "--unpaced", "--count", str(count))
        return [sys.executable, str(ROOT / "producer.py"), *words, *more]

    def _loop(self, script: str, number: int, *words: str, part: int = 1) -> Round:
        topic = self._topic(f"loop-{number}")
        command = [str(self._python), str(PEERS / script), self._servers, topic, str(self._count // part), *words]
        return self._checked(topic, run_command(command, by_json))

    def _ours(self, number: int, processes: int) -> Round:
        topic = self._topic(f"ours-{number}")
        command = self._producer(topic, self._count, "--processes", str(processes))
        return self._checked(topic, run_command(command, by_producer))

    def _performance(self, number: int) -> Round:
        topic = self._topic(f"performance-{number}")
        words = ["--topic", topic, "--num-records", str(self._count), "--payload-file", str(self._ready)]
        properties = ["acks=all", "linger.ms=20", "batch.size=262144", "compression.type=lz4"]
        given = [f"bootstrap.servers={self._servers}", *properties]
        command = [*self._tool, *words, "--throughput", "-1", "--producer-props", *given]
        return self._checked(topic, run_command(command, by_performance))

    def _khaos(self, number: int) -> Round:
        topic = f"khaos-{number}"
        file = self._folder / f"{topic}.yaml"
        file.write_text(SCENARIO.format(topic=topic, partitions=PARTITIONS, rate=ASKED))
        # Not by its own first line, which names the Python of the place where it was installed.
        khaos = [str(self._python), str(self._python.parent / "khaos")]
        command = [*khaos, "simulate", str(file), "-b", self._servers]
        more = ["-d", str(self._khaos_seconds), "--no-consumers"]
        # khaos itself tells no count.
        done = run_command([*command, *more], lambda _: spanned(self._servers, topic))
        if done.messages < LEAST * self._khaos_seconds:
            raise RuntimeError(f"khaos sent {done.messages:,} messages in {self._khaos_seconds} s")
        return done

    def _checked(self, topic: str, done: Round) -> Round:
        held = stored(self._servers, topic)
        if held != done.messages:
            raise RuntimeError(f"{topic} holds {held:,} messages, not {done.messages:,}")
        return done


def main() -> int:
    """Run the contest and print its figures."""
    parser = contest_parser(__doc__, 600_000, 3)
    parser.add_argument("--seconds", type=int, default=8, help="how long khaos runs in each round (default: 8)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_broker(Path(folder)) as broker:
        contest = Contest(broker.servers, Path(folder), options.messages, options.seconds)
        measured = in_turns(contest.contestants(), options.rounds)
    about = (
        f"Sending at full speed: {options.messages:,} readings a round (a quarter of that with kafka-python), "
        f"{options.rounds} rounds in turns, acks=all, three partitions, broker and sender on the same machine."
    )
    keep("producer", results(measured, BASELINE), BASELINE, about)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

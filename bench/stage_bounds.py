"""What bounds each stage, and how far it is from that, all in one run: what runs beneath it is measured by itself.

- consumer.py beside a client that only takes the topic's bytes;
- the readings of spark_job.py beside mongod with documents that are ready, the same indexes and validator, from two
  clients at once;
- the windows of spark_job.py beside Spark that reads the topic and parses its JSON with from_json, unchecked: in a Java
  of its own each round, with the job's options and task slots, which compiles what it runs as the job's does.
"""

from __future__ import annotations

import multiprocessing
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bson
import consumer_peers
import measuring
import pipeline_peers
import psutil
import windows_peers
from backlog import CACHE_GB, TOPIC, fill
from bson.raw_bson import RawBSONDocument
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from harness import local_broker, local_mongod
from measuring import Result, Round, contest_parser, in_turns, keep_table, results
from pymongo import MongoClient
from pyspark.sql import Observation
from pyspark.sql import functions as F
from spark_parse import plain
from spark_sessions import local_spark
from stored import START, readings

from pipeline import store, store_documents, topic_reader
from pipeline.broker import Connection, make_consumer
from pipeline.java import LATER_SECOND_COMPILER
from pipeline.spark_session import local_slots

PARTITIONS = 3
SENSORS, BATCH, CLIENTS = 1000, 2000, 2
# Readings that are documents at once: by themselves they take several times the memory.
PART = 50_000
BYTES, READY, PARSED = (
    "the topic's bytes alone",
    "documents that are ready, two clients",
    "Spark's from_json, unchecked",
)
# What runs beneath a stage runs in several processes; its processor time says nothing that is needed here.
NOT_ASKED = float("nan")
OURS = {
    "consumer.py": BYTES,
    "spark_job.py --queries readings": READY,
    "spark_job.py --queries windows": PARSED,
}


def take_bytes(servers: str, count: int) -> Round:
    """Take all messages with consumer.py's client and look at none; seconds count from the first ones, as its do."""
    consumer = make_consumer(Connection(servers), group=None)
    consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    seen, first, began = 0, 0, 0.0
    while seen < count:
        seen += len(consumer.consume(topic_reader.BATCH, 0.1))
        if seen and not first:
            first, began = seen, time.monotonic()
    took = time.monotonic() - began
    consumer.close()
    return Round(seen - first, took, NOT_ASKED)


def ready(count: int) -> list[RawBSONDocument]:
    """So many documents of sensor_metrics as bytes."""
    now, made = datetime.now(UTC), []
    for first in range(0, count, PART):
        start = START + timedelta(milliseconds=100 * first)
        part = readings(min(PART, count - first), sensors=SENSORS, run=f"{first:012x}", start=start)
        made += [RawBSONDocument(bson.encode(store_documents.reading(one, now))) for one in part]
    return made


def insert_ready(uri: str, documents: Sequence[RawBSONDocument]) -> Round:
    """Insert documents that need no encoding any more, with the same promises as the job's."""
    target = store.ensure(uri, f"bench_{secrets.token_hex(4)}")
    parts = [documents[start : start + BATCH] for start in range(0, len(documents), BATCH)]
    with (
        MongoClient[RawBSONDocument](uri, document_class=RawBSONDocument) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        collection = client[target.database].get_collection(
            "sensor_metrics", write_concern=target.collection("sensor_metrics").write_concern
        )
        began = time.monotonic()
        for done in [pool.submit(collection.insert_many, part, ordered=False) for part in parts]:
            done.result()
        took = time.monotonic() - began
        client.drop_database(target.database)
    return Round(len(documents), took, NOT_ASKED)


def parse(servers: str, count: int, folder: Path) -> Round:
    """Read the topic and parse each value, in Spark's own functions; seconds count from the start of the query."""
    with local_spark(folder, local_slots(PARTITIONS), LATER_SECOND_COMPILER) as spark:
        topic = spark.read.format("kafka").option("kafka.bootstrap.servers", servers).option("subscribe", TOPIC).load()
        found = Observation()
        frame = plain(topic).observe(found, F.count("reading.event_id").alias("readings"))
        began = time.monotonic()
        frame.write.format("noop").mode("overwrite").save()
        took = time.monotonic() - began
    if found.get["readings"] != count:
        raise RuntimeError(f"from_json made {found.get['readings']:,} of {count:,} readings")
    return Round(count, took, NOT_ASKED)


def parse_afresh(servers: str, count: int, folder: Path) -> Round:
    """The same in a process of its own: a Java stays as long as the Python that started it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(parse, servers, count, folder).result()


def table(found: Sequence[Result]) -> str:
    """Each stage beside its bound."""
    by_name = {one.name: one for one in found}
    lines = ["| stage | messages a second | bound | messages a second | of it |", "|---|---:|---|---:|---:|"]
    for name, bound in OURS.items():
        ours, beneath = by_name[name], by_name[bound]
        lines.append(f"| {name} | {ours.rate:,.0f} | {bound} | {beneath.rate:,.0f} | {ours.rate / beneath.rate:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Measure all in turns, and keep the figures."""
    options = contest_parser(__doc__, 1_000_000, 2).parse_args()
    count = options.messages
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "kafka") as kafka,
        local_mongod(Path(name) / "mongod", cache_gb=CACHE_GB) as mongod,
    ):
        fill(kafka.servers, count)
        process = psutil.Process(mongod.running.identity.pid)
        documents = ready(count)
        pipeline = pipeline_peers.Contest(kafka.servers, mongod.uri, process, Path(name), count).contestants()
        windows = windows_peers.Contest(kafka.servers, mongod.uri, process, Path(name), count).contestants()
        consumer = consumer_peers.Contest(kafka.servers, count)
        contestants: dict[str, Callable[[int], Round]] = {
            BYTES: lambda _: take_bytes(kafka.servers, count),
            "consumer.py": consumer.ours,
            READY: lambda _: insert_ready(mongod.uri, documents),
            PARSED: lambda _: parse_afresh(kafka.servers, count, Path(name)),
            **{mine: contest[mine] for contest in (pipeline, windows) for mine in OURS if mine in contest},
        }
        found = results(in_turns(contestants, options.rounds), BYTES)
    about = (
        f"Each stage beside what runs beneath it, {count:,} readings, {options.rounds} rounds in turns, three "
        "partitions, broker, mongod and stage on the same machine."
    )
    rates = {one.name: one.rate for one in found}
    if faster := [name for name, bound in OURS.items() if rates[name] > rates[bound]]:
        print(f"{table(found)}\n\nnot kept: faster than its bound is {', '.join(faster)}", file=sys.stderr)
        return 1
    keep_table("bounds", about, table(found))
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

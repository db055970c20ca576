"""The whole pipeline at a steady rate: how long a reading takes to its alert and to MongoDB, and what each part needs.

    PYTHONPATH=.:tests python bench/pipeline_latency.py --rate 1000 --warm-up 60 --seconds 120

An alert's time is from the reading's timestamp to the moment when the broker appended the alert to its topic; a stored
reading's is from its timestamp to the clock of the task that wrote it (stored_at), for all readings of the measured
span. The first window is timed from the start of the job. One machine runs everything, so all clocks are one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from harness import await_condition, free_port, local_broker, local_mongod
from measuring import script
from topics import read_all

from pipeline import ledger, options, store, store_queries
from pipeline.store import Store

RUN = "00000000be2c"
START_SECONDS, REST_SECONDS = 300.0, 120.0


def percentiles(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99])
    return f"p50 {1000 * p50:,.0f} ms · p95 {1000 * p95:,.0f} ms · p99 {1000 * p99:,.0f} ms ({len(seconds):,})"


def alert_delays(servers: str, topic: str, since: datetime, until: datetime) -> list[float]:
    """From the timestamp of each reading in the span to its alert on the topic, in seconds."""
    found: dict[str, float] = {}
    for record in read_all(servers, topic):
        alert = json.loads(record.value() or b"")
        moment = datetime.fromisoformat(alert["timestamp"])
        if since <= moment < until:
            found.setdefault(alert["alert_id"], record.timestamp()[1] / 1000 - moment.timestamp())
    return list(found.values())


def stored_delays(target: Store, since: datetime, until: datetime) -> list[float]:
    """From the timestamp of each reading in the span to its writing, in seconds."""
    wanted = {"timestamp": {"$gte": since, "$lt": until}}
    return [
        (one["stored_at"] - one["timestamp"]).total_seconds()
        for one in target.collection("sensor_metrics").find(wanted, {"timestamp": 1, "stored_at": 1})
    ]


def usage(processes: dict[str, psutil.Process]) -> Iterator[str]:
    for name, process in processes.items():
        memory = cpu = 0.0
        for one in [process, *process.children(recursive=True)]:
            # Spark's Python comes and goes.
            with suppress(psutil.NoSuchProcess):
                cpu += sum(one.cpu_times()[:4])
                memory += one.memory_info().rss / 2**20
        yield f"{name:<10} {memory:8,.0f} MiB {cpu:8,.1f} CPU seconds"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--warm-up", type=float, default=60)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--java-options", default="", help="options for Spark's Java")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "k") as kafka,
        local_mongod(Path(name) / "m") as mongod,
    ):
        folder = Path(name)
        database = f"latency_{free_port()}"
        to_kafka = ("--servers", kafka.servers)
        to_mongo = ("--mongo-uri", mongod.uri, "--database", database)
        java = (f"{options.DRIVER_JAVA_OPTIONS.flag}={chosen.java_options}",) if chosen.java_options else ()
        job = ("spark_job.py", *to_kafka, *to_mongo, "--checkpoint", folder / "checkpoint", *java)
        told = folder / "ledger.jsonl"
        fleet = ("producer.py", *to_kafka, "--sensors", 1000, "--rate", chosen.rate, "--run", RUN, "--ledger", told)
        began = time.monotonic()
        with script(folder / "producer.log", *fleet) as producer, script(folder / "job.log", *job) as spark:
            target = store.ensure(mongod.uri, database)
            first_window = partial(store_queries.count, target, "windowed_metrics")
            await_condition(lambda: first_window() > 0 or spark.poll() is not None, "a window is stored", START_SECONDS)
            if spark.poll() is not None:
                raise SystemExit((folder / "job.log").read_text())
            print(f"first window after {time.monotonic() - began:.1f} s", flush=True)
            # Two spans of time: one that is left out, one that is measured.
            time.sleep(chosen.warm_up)
            since = datetime.now(UTC)
            parts = {
                "kafka": psutil.Process(kafka.running.identity.pid),
                "mongod": psutil.Process(mongod.running.identity.pid),
                "producer": producer,
                "spark": spark,
            }
            before = list(usage(parts))
            time.sleep(chosen.seconds)
            until = datetime.now(UTC)
            print("at the start of the measurement", *before, "at its end", *usage(parts), sep="\n", flush=True)
            producer.terminate()
            producer.wait(REST_SECONDS)
            sent = ledger.read(told)[RUN].readings
            everything = partial(store_queries.count_readings, target, RUN)
            await_condition(lambda: everything() >= sent, f"all {sent:,} readings are stored", REST_SECONDS)
            edge = timedelta(seconds=1)
            print(
                "reading → alert on the topic:", percentiles(alert_delays(kafka.servers, "alerts", since, until - edge))
            )
            print("reading → document:", percentiles(stored_delays(target, since, until - edge)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

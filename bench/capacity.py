"""How many readings a second this machine's pipeline keeps up with, and what stops it. `make capacity` runs it.

A broker, a MongoDB server, spark_job.py, dashboard.py with a viewer, and producer.py run side by side. The producer's
rate goes up step by step until what waits grows; then one rate between that and the last that held is tried, and the
best is held for minutes. A rate holds where neither the readings nor the windows fall behind by more than a small part
of it, and the producer keeps its timetable.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from backlog import CACHE_GB, Processors
from confluent_kafka import Consumer, TopicPartition
from dashboard_load import watch
from harness import await_condition, free_port, local_broker, local_mongod
from measuring import keep_table, script

from pipeline import store
from pipeline.broker import Connection, ensure_topics, readings_topic
from pipeline.store import Store
from pipeline.view import View
from spark_job import READY

TOPIC, DATABASE = "readings", "capacity"
DRAIN_SECONDS = 600.0
SAMPLE_SECONDS = 1.0
# A rate that grows its backlog by less than this part of it holds: the batches themselves come and go.
GROWTH_ALLOWED = 0.03
# And a backlog of more than so many seconds is none that somebody would call keeping up.
BEHIND_ALLOWED = 15.0
# Above this the processors are what stops it.
BUSY = 0.9


@dataclass(frozen=True)
class Step:
    """What a rate did: readings a second asked for and sent, what waited at the end, how it grew, who used what.

    `growth` is the part of the readings that stayed behind, by the query that is worst; `cores` by the name of a part.
    """

    asked: float
    sent: float
    waiting: int
    growth: float
    query: str
    cores: Mapping[str, float]

    @property
    def holds(self) -> bool:
        """Whether the pipeline kept up."""
        return self.growth <= GROWTH_ALLOWED and self.waiting <= BEHIND_ALLOWED * self.asked

    @property
    def verdict(self) -> str:
        """Whether it holds, in words."""
        if self.holds:
            return "holds"
        return f"the {self.query} fall behind by {self.growth:.0%}" if self.query != "producer" else "producer too slow"

    def line(self) -> str:
        """The same for a terminal."""
        used = " · ".join(f"{name} {cores:.2f}" for name, cores in self.cores.items())
        return f"{self.asked:>9,.0f}/s  {self.waiting:>9,} waiting  {self.verdict:<34} cores: {used}"


class Rig:
    """The pipeline at work; `parts` are its processes by name."""

    def __init__(
        self, servers: str, target: Store, folder: Path, page_port: int, parts: Mapping[str, psutil.Process]
    ) -> None:
        self._servers, self._target, self._folder, self._parts = servers, target, folder, parts
        self._page_port = page_port
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "none"})
        self._partitions = [TopicPartition(TOPIC, number) for number in range(3)]
        self._runs = 0

    def sent(self) -> int:
        """Readings in the topic."""
        return sum(self._consumer.get_watermark_offsets(one, timeout=10)[1] for one in self._partitions)

    def waiting(self) -> dict[str, int]:
        """Readings that are not done yet, by query."""
        stored = self._target.collection("sensor_metrics").estimated_document_count()
        # A sign of life has no such figure.
        reported = {"query": "windows", "lag": {"$exists": True}}
        progress = self._target.collection("pipeline_progress").find_one(reported, sort={"at": -1})
        return {"readings": self.sent() - stored, "windows": int(progress["lag"]) if progress else 0}

    def run(self, rate: float, seconds: float) -> Step:
        """Send so much for so long; the first third is left out of what is measured."""
        self._runs += 1
        log = self._folder / f"producer-{self._runs}.log"
        words = ["--servers", self._servers, "--topic", TOPIC, "--sensors", "1000", "--rate", f"{rate:g}"]
        with (
            ThreadPoolExecutor(1) as pool,
            script(log, "producer.py", *words, "--duration", f"{seconds:g}") as producer,
        ):
            viewer = pool.submit(watch, self._page_port, "/", View(), 0.0, seconds)
            parts = {**self._parts, "producer": producer}
            processors = {name: Processors([process]) for name, process in parts.items()}
            # What is left out is a span of time by definition: there is no event to wait for.
            time.sleep(seconds / 3)
            began, before = time.monotonic(), {name: one.seconds() for name, one in processors.items()}
            sent_before, at, waited = self.sent(), [], []
            while time.monotonic() - began < seconds * 2 / 3 - 1:
                at.append(time.monotonic() - began)
                waited.append(self.waiting())
                # What waits is sampled evenly over time: its slope is what is measured.
                time.sleep(SAMPLE_SECONDS)
            span = time.monotonic() - began
            sent = (self.sent() - sent_before) / span
            cores = {name: (one.seconds() - before[name]) / span for name, one in processors.items()}
            viewer.result()
        growth = {
            query: float(np.polyfit(at, [one[query] for one in waited], 1)[0]) / rate
            for query in ("readings", "windows")
        }
        # A producer that is too slow stops it as well.
        growth["producer"] = max(0.0, 1 - sent / rate)
        worst = max(growth, key=lambda name: growth[name])
        return Step(rate, sent, max(waited[-1].values()), growth[worst], worst, cores)

    def drain(self) -> None:
        """Wait until nothing waits."""
        await_condition(lambda: max(self.waiting().values()) < 1000, "the backlog is worked off", DRAIN_SECONDS)


def search(rig: Rig, start: float, factor: float, seconds: float, hold: float) -> tuple[list[Step], Step]:
    """All steps in their order, and the one that tells what stops it: the first that did not hold."""
    steps: list[Step] = []

    def holds(rate: float, lasting: float) -> bool:
        steps.append(rig.run(rate, lasting))
        print(steps[-1].line(), flush=True)
        rig.drain()
        return steps[-1].holds

    held, rate = 0.0, start
    while holds(rate, seconds):
        held, rate = rate, rate * factor
    stopped = steps[-1]
    if not held:
        raise SystemExit(f"{start:g} readings a second are too many already; begin with fewer: --start {start / 4:g}")
    middle = (held + rate) / 2
    held = middle if holds(middle, seconds) else held
    while not holds(held, hold):
        held *= 0.85
    return steps, stopped


def bottleneck(step: Step) -> str:
    """What stops it, in words."""
    used, there = sum(step.cores.values()), os.cpu_count() or 1
    most = max(step.cores, key=lambda name: step.cores[name])
    if used >= BUSY * there:
        return f"the processors: {used:.2f} of {there} cores were used, most of them by the {most}"
    return f"the {step.query}: no more than {used:.2f} of {there} cores were used; more partitions may help"


def main() -> int:
    """Find the rate, hold it, and print what stops it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=float, default=2000, help="readings a second to begin with (default: 2000)")
    parser.add_argument("--factor", type=float, default=1.5, help="how much more the next step asks for (default: 1.5)")
    parser.add_argument("--seconds", type=float, default=45, help="how long a step lasts (default: 45)")
    parser.add_argument("--hold", type=float, default=300, help="how long the rate found is held (default: 300)")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(local_broker(folder / "kafka"))
        mongod = stack.enter_context(local_mongod(folder / "mongod", cache_gb=CACHE_GB))
        ensure_topics(Connection(kafka.servers), [readings_topic(TOPIC)])
        target, port = store.ensure(mongod.uri, DATABASE), free_port()
        to_mongo = ("--mongo-uri", mongod.uri, "--database", DATABASE)
        words = ("--servers", kafka.servers, "--topic", TOPIC, *to_mongo, "--checkpoint", str(folder / "checkpoint"))
        job = stack.enter_context(script(folder / "job.log", "spark_job.py", *words))
        page = stack.enter_context(script(folder / "page.log", "dashboard.py", "--port", str(port), *to_mongo))
        parts = {
            "broker": psutil.Process(kafka.running.identity.pid),
            "mongod": psutil.Process(mongod.running.identity.pid),
            "job": job,
            "page": page,
        }
        rig = Rig(kafka.servers, target, folder, port, parts)
        print(f"warming up with {options.start:g} readings a second", flush=True)
        await_condition(lambda: READY in (folder / "job.log").read_text() or job.poll() is not None, READY)
        if job.poll() is not None:
            raise SystemExit((folder / "job.log").read_text())
        rig.run(options.start, options.seconds)
        rig.drain()
        steps, stopped = search(rig, options.start, options.factor, options.seconds, options.hold)
    best = steps[-1]
    about = (
        f"This machine keeps up with {best.sent:,.0f} readings a second (held for {options.hold:g} s, "
        f"{best.waiting:,} waiting at the end), producer, broker, job, MongoDB and page with a viewer on it. "
        f"What stops it at {stopped.asked:,.0f}: {bottleneck(stopped)}."
    )
    keep_table("capacity", about, table(steps))
    return 0


def table(steps: Sequence[Step]) -> str:
    """The steps as a Markdown table."""
    names = list(steps[0].cores)
    lines = [
        f"| readings a second | waiting at the end | verdict | {' | '.join(f'{name}, cores' for name in names)} |",
        f"|---:|---:|---|{'---:|' * len(names)}",
    ]
    lines += [
        f"| {one.asked:,.0f} | {one.waiting:,} | {one.verdict} | "
        f"{' | '.join(f'{one.cores[name]:.2f}' for name in names)} |"
        for one in steps
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

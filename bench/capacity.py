"""How many readings a second this machine's pipeline keeps up with, and what stops it. `make capacity` runs it.

A broker, a MongoDB server, spark_job.py, dashboard.py with a viewer, and producer.py run side by side. The producer's
rate goes up step by step until what waits grows, twice, since a machine may be slower for a while; then one rate
between that and the last that held is tried, and the best is held for minutes. A rate holds where neither readings nor
windows nor alerts fall behind by more than a small part of it, nor are many seconds behind at the end, and the producer
keeps its timetable. The first seconds of each rate are left out, and all that comes after them is measured.

What waits of the readings and the windows are messages of the topic that are not stored, or not in a batch that is
done. The alerts' query runs in real time and reports once in minutes: how far it is, the newest alert of each partition
tells.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import psutil
from backlog import CACHE_GB, Processors
from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from dashboard_load import watch
from harness import await_condition, free_port, local_broker, local_mongod
from measuring import keep_table, script

from pipeline import options, store
from pipeline.broker import Connection, ensure_topics, readings_topic
from pipeline.store import Store
from pipeline.view import View
from spark_job import READY

TOPIC, ALERTS, DATABASE = "readings", str(options.ALERTS_TOPIC.default), "capacity"
PARTITIONS = range(3)
# What waits is worked off where so little is left, and has to be halved in so long.
DRAINED, HALVED_SECONDS = 1000, 300.0
SAMPLE_SECONDS = 1.0
# How long a rate runs before it is looked at: the producer starts meanwhile, and the first batches are others.
SETTLE_SECONDS = 15.0
# A rate that grows its backlog by less than this part of it holds: the batches themselves come and go.
GROWTH_ALLOWED = 0.03
# And who is more than so many seconds behind does not keep up.
BEHIND_ALLOWED = 15.0
# Through so many points a line is drawn at the least.
ENOUGH = 3
# A machine may be slower for a while, so a rate that does not hold is tried once more.
TRIES = 2
# Between what holds and what does not there is at most this factor.
PRECISE = 1.15
# Above this the processors are what stops it.
BUSY = 0.9


@dataclass(frozen=True)
class Step:
    """What a rate did: readings a second asked for and sent, for how long, what waited at the end, and how that grew.

    `waiting` is messages by query, `growth` the part of the readings that stayed behind, by query, and "producer" for
    what was not sent in time; `cores` what was used, by the name of a part.
    """

    asked: float
    sent: float
    seconds: float
    waiting: Mapping[str, int]
    growth: Mapping[str, float]
    cores: Mapping[str, float]

    @property
    def grows(self) -> str:
        """What stays behind most: a query, or the producer."""
        return max(self.growth, key=lambda name: self.growth[name])

    @property
    def waits(self) -> str:
        """The query that has most to do at the end."""
        return max(self.waiting, key=lambda name: self.waiting[name])

    @property
    def holds(self) -> bool:
        """Whether the pipeline kept up."""
        return self.growth[self.grows] <= GROWTH_ALLOWED and self.behind <= BEHIND_ALLOWED

    @property
    def behind(self) -> float:
        """Seconds that what waits at the end stands for."""
        return self.waiting[self.waits] / self.asked

    @property
    def verdict(self) -> str:
        """Whether it holds, in words."""
        if self.holds:
            return "holds"
        if self.growth[self.grows] <= GROWTH_ALLOWED:
            return f"the {self.waits} are {self.behind:.0f} s behind"
        if self.grows == "producer":
            return "the producer is too slow"
        return f"the {self.grows} fall behind by {self.growth[self.grows]:.1%}"

    def line(self) -> str:
        """The same for a terminal."""
        used = " · ".join(f"{name} {cores:.2f}" for name, cores in self.cores.items())
        waiting = " · ".join(f"{name} {count:,}" for name, count in self.waiting.items())
        return f"{self.asked:>9,.0f}/s  waiting: {waiting}  {self.verdict}  cores: {used}"


class Alerts:
    """How far the alerts' query is, by the instant of the reading that the newest alert of each partition is about."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "none"})
        self._consumer.assign([TopicPartition(ALERTS, number, OFFSET_END) for number in PARTITIONS])
        self._newest = dict.fromkeys(PARTITIONS, time.time())

    def close(self) -> None:
        """Let the broker go."""
        self._consumer.close()

    def behind(self, moment: float) -> float:
        """Seconds from there to a moment (since 1970), in the partition that is farthest behind."""
        # The client holds what has come, so that this takes no longer than it has to.
        records = self._consumer.consume(1_000_000, 0.05)
        # A partition's records come in their order.
        for number, value in {one.partition(): one.value() for one in records if not one.error()}.items():
            if number is not None and value:
                self._newest[number] = datetime.fromisoformat(json.loads(value)["timestamp"]).timestamp()
        return max(0.0, moment - min(self._newest.values()))


class Rig:
    """The pipeline at work; `parts` are its processes by name."""

    def __init__(
        self, servers: str, target: Store, folder: Path, page_port: int, parts: Mapping[str, psutil.Process]
    ) -> None:
        self._servers, self._target, self._folder, self._parts = servers, target, folder, parts
        self._page_port = page_port
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "none"})
        self._partitions = [TopicPartition(TOPIC, number) for number in PARTITIONS]
        self._alerts = Alerts(servers)
        # The rate, and when it ended; infinite as long as readings are sent.
        self._rate, self._ended = 0.0, float("inf")
        self._runs = 0

    def close(self) -> None:
        """Let the broker go."""
        self._alerts.close()
        self._consumer.close()

    def sent(self) -> int:
        """Readings in the topic."""
        return sum(self._consumer.get_watermark_offsets(one, timeout=10)[1] for one in self._partitions)

    def waiting(self) -> dict[str, int]:
        """Readings that are not done yet, by query."""
        stored = self._target.collection("sensor_metrics").estimated_document_count()
        alerted = self._alerts.behind(min(time.time(), self._ended))
        found = {"readings": stored, "windows": self._counted()}
        # What is done is asked first: what is sent meanwhile waits, and nothing is done before it is sent.
        sent = self.sent()
        return {**{query: sent - done for query, done in found.items()}, "alerts": round(alerted * self._rate)}

    def _counted(self) -> int:
        """Messages in the batches of the windows that are done."""
        every: list[Mapping[str, Any]] = [
            {"$match": {"query": "windows"}},
            {"$group": {"_id": None, "rows": {"$sum": "$rows"}}},
        ]
        return sum(one["rows"] for one in self._target.collection("pipeline_progress").aggregate(every))

    def run(self, rate: float, seconds: float) -> Step:
        """Send so much, and measure for so long, after SETTLE_SECONDS."""
        self._runs += 1
        self._rate, self._ended = rate, float("inf")
        log = self._folder / f"producer-{self._runs}.log"
        words = ["--servers", self._servers, "--topic", TOPIC, "--sensors", "1000", "--rate", f"{rate:g}"]
        # It is ended by us, so that it is there until the last sample.
        with ThreadPoolExecutor(1) as pool, script(log, "producer.py", *words) as producer:
            # The viewer looks while the rate settles as well.
            watch(self._page_port, "/", View(), 0.0, SETTLE_SECONDS)
            viewer = pool.submit(watch, self._page_port, "/", View(), 0.0, seconds)
            parts = {**self._parts, "producer": producer}
            processors = {name: Processors([process]) for name, process in parts.items()}
            began, before = time.monotonic(), {name: one.seconds() for name, one in processors.items()}
            sent_before = self.sent()
            at: list[float] = []
            waited: list[dict[str, int]] = []
            while not at or at[-1] < seconds:
                # What waits is sampled evenly over time: its slope is what is measured.
                time.sleep(SAMPLE_SECONDS)
                waited.append(self.waiting())
                at.append(time.monotonic() - began)
            sent = (self.sent() - sent_before) / (time.monotonic() - began)
            cores = {name: (one.seconds() - before[name]) / at[-1] for name, one in processors.items()}
            self._ended = time.time()
            viewer.result()
        growth = {name: slope(at, [one[name] for one in waited]) / rate for name in waited[-1]}
        # A producer that is too slow stops it as well.
        growth["producer"] = max(0.0, 1 - sent / rate)
        return Step(rate, sent, at[-1], waited[-1], growth, cores)

    def drain(self) -> None:
        """Wait until nothing waits, however long that takes as long as it gets less."""
        while (left := max(self.waiting().values())) >= DRAINED:
            words = f"half of the {left:,} messages that wait is worked off"
            await_condition(partial(self._waits_for_less, max(DRAINED, left // 2)), words, HALVED_SECONDS)

    def _waits_for_less(self, than: int) -> bool:
        return max(self.waiting().values()) < than


def slope(at: Sequence[float], waiting: Sequence[int]) -> float:
    """Messages a second by which what waits grows, seen where a batch has just been done.

    Until the next one is done, all that is sent waits: with batches of seconds that is more than what is looked for.
    """
    done = [number for number in range(1, len(waiting)) if waiting[number] < waiting[number - 1]]
    chosen = done if len(done) >= ENOUGH else range(len(waiting))
    return float(np.polyfit([at[number] for number in chosen], [waiting[number] for number in chosen], 1)[0])


def search(rig: Rig, start: float, factor: float, seconds: float, hold: float) -> list[Step]:
    """All steps in their order; the last is the rate that was held, and at least one did not hold."""
    steps: list[Step] = []

    def holds(rate: float, lasting: float, tries: int = 1) -> bool:
        for _ in range(tries):
            steps.append(rig.run(rate, lasting))
            print(steps[-1].line(), flush=True)
            rig.drain()
            if steps[-1].holds:
                return True
        return False

    held, rate = 0.0, start
    while holds(rate, seconds, TRIES):
        held, rate = rate, rate * factor
    if not held:
        raise SystemExit(f"{start:g} readings a second are too many already; begin with fewer: --start {start / 4:g}")
    while rate > held * PRECISE:
        middle = (held + rate) / 2
        if holds(middle, seconds, TRIES):
            held = middle
        else:
            rate = middle
    while not holds(held, hold):
        held *= 0.85
    return steps


def stopped(steps: Sequence[Step]) -> Step:
    """The step that tells what stops the rate that was held: of those that did not hold, the nearest above it."""
    above = [one for one in steps if one.asked > steps[-1].asked and not one.holds]
    # Of equal rates the last one: the first may have met a slow moment.
    return min(reversed(above), key=lambda one: one.asked)


def bottleneck(step: Step) -> str:
    """What stops it, in words."""
    used, there = sum(step.cores.values()), os.cpu_count() or 1
    most = max(step.cores, key=lambda name: step.cores[name])
    if used >= BUSY * there:
        return f"the processors: {used:.2f} of {there} cores were used, most of them by the {most}"
    return f"{step.verdict}; no more than {used:.2f} of {there} cores were used; more partitions may help"


def main() -> int:
    """Find the rate, hold it, and print what stops it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=float, default=2000, help="readings a second to begin with (default: 2000)")
    parser.add_argument("--factor", type=float, default=1.5, help="how much more the next step asks for (default: 1.5)")
    # A batch of the windows takes some seconds, and what waits goes up and down with it: that is no slope over so long.
    parser.add_argument("--seconds", type=float, default=45, help="how long a step is measured (default: 45)")
    parser.add_argument("--hold", type=float, default=300, help="how long the best rate is measured (default: 300)")
    chosen = parser.parse_args()
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
        await_condition(lambda: READY in (folder / "job.log").read_text() or job.poll() is not None, READY)
        if job.poll() is not None:
            raise SystemExit((folder / "job.log").read_text())
        rig = stack.enter_context(closing(Rig(kafka.servers, target, folder, port, parts)))
        print(f"warming up with {chosen.start:g} readings a second", flush=True)
        rig.run(chosen.start, chosen.seconds)
        rig.drain()
        steps = search(rig, chosen.start, chosen.factor, chosen.seconds, chosen.hold)
    keep_table("capacity", about(steps), table(steps))
    return 0


def about(steps: Sequence[Step]) -> str:
    """What was found, and what counts as keeping up."""
    best, worse = steps[-1], stopped(steps)
    waiting = ", ".join(f"{count:,} for the {name}" for name, count in best.waiting.items())
    return (
        f"This machine keeps up with {best.sent:,.0f} readings a second, producer, broker, job, MongoDB and page with "
        f"a viewer on it: so many were sent for {best.seconds:.0f} s. {worse.asked:,.0f}, the next rate above it that "
        f"was tried, were too many. At the end there waited {waiting}. What stops it there: {bottleneck(worse)}. Each "
        f"rate was measured for as long as the table says, after {SETTLE_SECONDS:g} s that are left out. It holds "
        f"where readings, windows and alerts each fall behind by at most {GROWTH_ALLOWED:.0%} of what is sent (the "
        f"slope of what waits whenever a batch is done) and are at most {BEHIND_ALLOWED:g} s behind at the end, and "
        f"at least {1 - GROWTH_ALLOWED:.0%} of what was asked for is sent."
    )


def table(steps: Sequence[Step]) -> str:
    """The steps as a Markdown table."""
    names = list(steps[0].cores)
    lines = [
        f"| readings a second | for | most that waits at the end | verdict | {', cores | '.join(names)}, cores |",
        f"|---:|---:|---:|---|{'---:|' * len(names)}",
    ]
    lines += [
        f"| {one.asked:,.0f} | {one.seconds:.0f} s | {one.waiting[one.waits]:,} for the {one.waits} | {one.verdict} | "
        f"{' | '.join(f'{one.cores[name]:.2f}' for name in names)} |"
        for one in steps
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(measuring.run(main))

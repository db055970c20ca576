"""How the cost of the parts grows with the fleet, with the partitions, and with what is stored.

    PYTHONPATH=.:tests python bench/growth_sizes.py

- 10 to 100,000 sensors, and 1 to 12 partitions: the same number of readings is sent by producer.py, worked off by
  spark_job.py with everything on, and shown by the page; what a reading costs of the processors, and a refresh.
- An hour to seven days stored, at a rate that keeps the readings below 20 million: what the page costs that shows all
  of it, for the first time and afterwards, and what the next readings cost to store.

Each cost has an exponent beside it: by a doubled size it grows by the factor 2 to that power. 0 is flat, 1 is linear.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
from backlog import CACHE_GB, Processors, job, worked_off
from confluent_kafka.admin import AdminClient, NewTopic
from dashboard_load import REFRESH, Served, Viewer, served, watch
from day_data import PastDay
from harness import LocalBroker, LocalMongod, local_broker, local_mongod
from measuring import by_producer, keep_table, run_command
from pymongo import MongoClient
from sinks import Target
from stored import readings

from pipeline import store, store_writes
from pipeline.runtime import ROOT
from pipeline.store import Store
from pipeline.view import View

SENSORS, PARTITIONS = (10, 100, 1_000, 10_000, 100_000), (1, 3, 6, 12)
HOURS = {1: "1h", 6: "6h", 24: "24h", 168: "7d"}
USUAL_SENSORS, USUAL_PARTITIONS = 1000, 3
REFRESHES, MORE_READINGS = 10, 50_000
# What is timed is less sure than this.
TOLERANCE = 0.1
MICROSECONDS = "µs of processor a reading"


@dataclass(frozen=True)
class Series:
    """A cost at each size, in a unit."""

    name: str
    unit: str
    sizes: tuple[float, ...]
    costs: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """The power of the size that the cost grows with."""
        return _exponent(self.sizes, self.costs)

    @property
    def is_worse_than_linear(self) -> bool:
        """Whether the cost grows faster than the size, over all sizes or from the last but one to the last."""
        return max(self.exponent, _exponent(self.sizes[-2:], self.costs[-2:])) > 1 + TOLERANCE


def _exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


@dataclass(frozen=True)
class Panel:
    """What grows, and what that costs."""

    title: str
    series: tuple[Series, ...]


Costs = dict[tuple[str, str], float]


def panel(title: str, found: dict[float, Costs]) -> Panel:
    """The costs by their size as series."""
    names = next(iter(found.values()))
    sizes = tuple(found)
    return Panel(title, tuple(Series(*name, sizes, tuple(costs[name] for costs in found.values())) for name in names))


class Rig:
    """A broker and a mongod that all sizes use in turn."""

    def __init__(self, kafka: LocalBroker, mongod: LocalMongod, folder: Path, count: int) -> None:
        self._kafka, self._mongod, self._folder, self._count = kafka, mongod, folder, count
        self._process = psutil.Process(mongod.running.identity.pid)
        self._client: MongoClient[dict[str, object]] = MongoClient(mongod.uri)
        self._admin = AdminClient({"bootstrap.servers": kafka.servers})

    @contextmanager
    def _target(self, partitions: int) -> Iterator[Target]:
        name = f"growth-{secrets.token_hex(4)}"
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
        folder = self._folder / name
        folder.mkdir()
        try:
            yield Target(self._kafka.servers, name, self._mongod.uri, name, folder)
        finally:
            self._client.drop_database(name)
            self._admin.delete_topics([name])[name].result()

    def pipeline(self, sensors: int, partitions: int) -> Costs:
        """What sending, storing and showing costs with so many."""
        print(f"{sensors:,} sensors, {partitions} partitions", file=sys.stderr)
        with self._target(partitions) as target:
            fleet = ("--sensors", sensors, "--rate", self._count / 300, "--count", self._count, "--unpaced")
            where = ("--servers", target.servers, "--topic", target.topic)
            # The readings are those of the five minutes before now.
            start = ("--start", (datetime.now(UTC) - timedelta(minutes=5)).isoformat())
            words = [sys.executable, str(ROOT / "producer.py"), *map(str, (*where, *fleet, *start))]
            sent = run_command(words, by_producer)
            with job(target) as started:
                done, memory = worked_off(started, self._count, [self._process])
            stored = self._client[target.database]["sensor_metrics"].estimated_document_count()
            if stored != self._count:
                raise SystemExit(f"{stored:,} documents for {self._count:,} readings of {sensors:,} sensors")
            with served(Store(target.uri, target.database), target.folder) as page:
                overview, listed = (self._refresh(page, path, View())[1] for path in ("/", "/sensor/"))
        return {
            ("producer.py", MICROSECONDS): 1e6 * sent.cpu_seconds / sent.messages,
            ("spark_job.py and mongod, everything on", MICROSECONDS): 1e6 * done.cpu_seconds / done.messages,
            ("memory of spark_job.py", "MiB"): memory / 2**20,
            ("a refresh of the overview", "ms"): overview,
            ("a refresh of the list of sensors", "ms"): listed,
        }

    def stored(self, hours: int, rate: float) -> Costs:
        """What it costs to have so many hours in MongoDB: to show all of them, and to store more."""
        print(f"{hours} hours stored", file=sys.stderr)
        target = store.ensure(self._mongod.uri, f"growth_{secrets.token_hex(4)}", {})
        until, seconds = datetime.now(UTC), 3600.0 * hours
        # An alarm of a sensor a day.
        past = PastDay(target, until, USUAL_SENSORS, rate, seconds, hours, alarm_every=86_400.0)
        past.write()
        # What lies on disk is counted when it is there.
        self._client.admin.command("fsync")
        size = self._client[target.database].command("collStats", "sensor_metrics")
        bytes_a_reading = (float(size["storageSize"]) + float(size["totalIndexSize"])) / float(size["count"])
        shown = View(range=HOURS[hours])
        folder = self._folder / target.database
        folder.mkdir()
        with served(target, folder) as page:
            first, overview = self._refresh(page, "/", shown)
            first_sensor, sensor = self._refresh(page, "/sensor/", View(range=HOURS[hours], sensor=past.names[0]))
        more = readings(MORE_READINGS, sensors=USUAL_SENSORS, start=until)
        processors = Processors([self._process])
        before = processors.seconds() + time.process_time()
        store_writes.write_readings(target, more)
        used = processors.seconds() + time.process_time() - before
        self._client.drop_database(target.database)
        return {
            ("the overview of all of it, for the first time", "s of processor"): first,
            ("a refresh of it", "ms"): overview,
            ("a sensor's page of all of it, for the first time", "s of processor"): first_sensor,
            ("a refresh of that", "ms"): sensor,
            ("storing a reading more", MICROSECONDS): 1e6 * used / MORE_READINGS,
            ("disk", "bytes a reading"): bytes_a_reading,
        }

    def _refresh(self, page: Served, path: str, view: View) -> tuple[float, float]:
        """Processor seconds of page and mongod until a view is whole, and the median of refreshes after that, in ms."""
        processors = Processors([psutil.Process(page.script.pid), self._process])
        before = processors.seconds()
        viewer = Viewer(page.port)
        viewer.ask(path)
        [tick] = [one for one in viewer.callbacks(path) if one.is_tick]
        body = tick.body(view)

        while b'"complete":false' in viewer.ask(tick.path, body)[0]:
            continue
        used = processors.seconds() - before
        ticks = watch(page.port, path, view, 1.0, REFRESHES * REFRESH)
        return used, float(np.median([1000 * seconds for seconds, *_ in ticks]))


def table(panels: Sequence[Panel]) -> str:
    """The figures as Markdown tables."""
    blocks = []
    for one in panels:
        sizes = one.series[0].sizes
        lines = [
            f"| {one.title} | {' | '.join(f'{size:,g}' for size in sizes)} | exponent |",
            f"|---|{'---:|' * (len(sizes) + 1)}",
        ]
        for part in one.series:
            costs = " | ".join(f"{cost:,.3g}" if cost < 100 else f"{cost:,.0f}" for cost in part.costs)
            lines.append(f"| {part.name}, {part.unit} | {costs} | {part.exponent:.2f} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def verdict(panels: Sequence[Panel]) -> str:
    """Whether anything grows faster than what it is made for, in a sentence."""
    worse = [part.name for one in panels for part in one.series if part.is_worse_than_linear]
    return f"Worse than linear: {', '.join(worse)}." if worse else "Nothing grows faster than linearly."


def main() -> int:
    """Measure each size, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000, help="readings of each size (default: 200000)")
    parser.add_argument("--stored-rate", type=float, default=10.0, help="stored readings a second (default: 10)")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "kafka") as kafka,
        local_mongod(
            Path(name) / "mongod", cache_gb=CACHE_GB, options=("--setParameter", "ttlMonitorEnabled=false")
        ) as mongod,
    ):
        rig = Rig(kafka, mongod, Path(name), chosen.messages)
        panels = [
            panel("sensors", {size: rig.pipeline(size, USUAL_PARTITIONS) for size in SENSORS}),
            panel("partitions", {size: rig.pipeline(USUAL_SENSORS, size) for size in PARTITIONS}),
            panel("hours stored", {hours: rig.stored(hours, chosen.stored_rate) for hours in HOURS}),
        ]
    most = chosen.stored_rate * 3600 * max(HOURS)
    about = (
        f"{verdict(panels)} Sensors and partitions: {chosen.messages:,} readings each. Hours: {USUAL_SENSORS:,} "
        f"sensors, {chosen.stored_rate:g} readings a second: {most:,.0f} in seven days."
    )
    more = {"panels": [{"title": one.title, "series": [vars(part) for part in one.series]} for one in panels]}
    keep_table("growth", about, table(panels), more)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How the cost of the parts grows with the fleet, with the partitions, and with what is stored.

    PYTHONPATH=.:tests python bench/growth_sizes.py

- 10 to 100,000 sensors, and 1 to 12 partitions: the same number of readings is sent by producer.py, worked off by
  spark_job.py with everything on, and shown by the page; what a reading costs of the processors, and a refresh.
- An hour to seven days stored, a few readings a second: what the page costs that shows all of it, for the first time
  after its start and afterwards, and what the next readings cost to store.

Sending, the first look and storing more are repeated, refreshes as well, and the median counts. The smallest and the
largest number of sensors and of partitions, on which the exponents rest most, are measured as a whole once more at the
end; how far the two runs of a size lie apart is told.

Each cost has an exponent beside it: by a doubled size it grows by the factor 2 to that power. 0 is flat, 1 is linear.
The same is told of the last two sizes alone, where the cost of what is large shows.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import measuring
import numpy as np
import psutil
from backlog import PATIENCE_SECONDS, Processors, job, producing, worked_off
from confluent_kafka.admin import AdminClient, NewTopic
from dashboard_load import REFRESH, Served, Viewer, served, watch
from day_data import PastDay
from harness import LocalBroker, LocalMongod, await_condition, local_broker, local_mongod
from measuring import by_producer, keep_table, run_command
from pymongo import MongoClient
from sinks import Target
from stored import readings

from pipeline import store, store_writes
from pipeline.store import Store
from pipeline.view import View

SENSORS, PARTITIONS = (10, 100, 1_000, 10_000, 100_000), (1, 3, 6, 12)
HOURS = {1: "1h", 6: "6h", 24: "24h", 168: "7d"}
USUAL_SENSORS, USUAL_PARTITIONS = 1000, 3
# Readings are sent by a fleet that began to send then: what the page shows is not old.
AGE = timedelta(minutes=5)
# Seven days are to lie in mongod's cache as an hour does: from the disk, what is read costs several times as much.
STORED_CACHE_GB = 4.0
# How often what is cheap is repeated, and refreshes are.
TIMES, REFRESHES, MORE_READINGS = 3, 5, 50_000
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
    def last_exponent(self) -> float:
        """The same from the last but one size to the last."""
        return _exponent(self.sizes[-2:], self.costs[-2:])

    @property
    def is_worse_than_linear(self) -> bool:
        """Whether the cost grows faster than the size, over all sizes or at their end."""
        return max(self.exponent, self.last_exponent) > 1 + TOLERANCE


def _exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


@dataclass(frozen=True)
class Panel:
    """What grows, and what that costs."""

    title: str
    series: tuple[Series, ...]


Costs = dict[tuple[str, str], float]


def panel(title: str, found: Mapping[float, Sequence[Costs]]) -> Panel:
    """The costs by their size as series: of each size the median of its runs."""
    names = next(iter(found.values()))[0]
    medians = [{name: statistics.median(one[name] for one in runs) for name in names} for runs in found.values()]
    return Panel(title, tuple(Series(*name, tuple(found), tuple(one[name] for one in medians)) for name in names))


def apart(found: Sequence[Sequence[Costs]]) -> str:
    """By how much the runs of a size differ at most, cost by cost, in words."""
    differences = {
        name: max(max(one[name] for one in runs) / min(one[name] for one in runs) - 1 for runs in found)
        for name in found[0][0]
    }
    return ", ".join(f"{name} {part:.0%}" for (name, _), part in differences.items())


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
            sent = [self._send(target, sensors)]
            with job(target) as started:
                done, memory = worked_off(started, self._count, [self._process])
            stored = self._client[target.database]["sensor_metrics"].estimated_document_count()
            if stored != self._count:
                raise SystemExit(f"{stored:,} documents for {self._count:,} readings of {sensors:,} sensors")
            with served(Store(target.uri, target.database), target.folder) as page:
                overview, listed = (self._refreshes(page, path, View()) for path in ("/", "/sensor/"))
        # What is sent again goes into topics that nobody reads.
        for _ in range(TIMES - 1):
            with self._target(partitions) as target:
                sent.append(self._send(target, sensors))
        return {
            ("producer.py", MICROSECONDS): statistics.median(sent),
            ("spark_job.py and mongod, everything on", MICROSECONDS): 1e6 * done.cpu_seconds / done.messages,
            ("memory of spark_job.py", "MiB"): memory / 2**20,
            ("a refresh of the overview", "ms"): overview,
            ("a refresh of the list of sensors", "ms"): listed,
        }

    def _send(self, target: Target, sensors: int) -> float:
        """Send the readings: the producer's microseconds of processor for each."""
        rate = self._count / AGE.total_seconds()
        words = producing(target.servers, target.topic, self._count, sensors=sensors, rate=rate, age=AGE)
        sent = run_command(words, by_producer)
        return 1e6 * sent.cpu_seconds / sent.messages

    def stored(self, hours: int, rate: float) -> Costs:
        """What it costs to have so many hours in MongoDB: to show all of them, and to store more."""
        print(f"{hours} hours stored", file=sys.stderr)
        target = store.ensure(self._mongod.uri, f"growth_{secrets.token_hex(4)}", {})
        until, seconds = datetime.now(UTC), 3600.0 * hours
        # An alarm of a sensor a day.
        past = PastDay(target, until, USUAL_SENSORS, rate, seconds, hours, alarm_every=86_400.0)
        past.write()
        bytes_a_reading = self._on_disk(target)
        pages = {"/": View(range=HOURS[hours]), "/sensor/": View(range=HOURS[hours], sensor=past.names[0])}
        first: dict[str, list[float]] = {path: [] for path in pages}
        later: dict[str, float] = {}
        for number in range(TIMES):
            with served(target, self._folder / target.database) as page:
                for path, view in pages.items():
                    first[path].append(self._first_look(page, path, view))
                    if number + 1 == TIMES:
                        later[path] = self._refreshes(page, path, view)
        for path, looks in first.items():
            print(f"first looks at {path}, s of processor: {', '.join(f'{one:.2f}' for one in looks)}", file=sys.stderr)
        more = statistics.median(self._store_more(target, until, number) for number in range(TIMES))
        self._client.drop_database(target.database)
        return {
            ("the overview of all of it, for the first time", "s of processor"): statistics.median(first["/"]),
            ("a refresh of it", "ms"): later["/"],
            ("a sensor's page of all of it, for the first time", "s of processor"): statistics.median(
                first["/sensor/"]
            ),
            ("a refresh of that", "ms"): later["/sensor/"],
            ("storing a reading more", MICROSECONDS): more,
            ("disk", "bytes a reading"): bytes_a_reading,
        }

    def _on_disk(self, target: Store) -> float:
        """Bytes of a reading with its indexes, once all is written and a checkpoint changes nothing any more."""
        sizes = [0.0]

        def has_settled() -> bool:
            self._client.admin.command("fsync")
            found = self._client[target.database].command("collStats", "sensor_metrics")
            sizes.append((float(found["storageSize"]) + float(found["totalIndexSize"])) / float(found["count"]))
            return sizes[-1] == sizes[-2]

        await_condition(has_settled, "the readings are on disk")
        return sizes[-1]

    def _store_more(self, target: Store, start: datetime, number: int) -> float:
        """Store readings that are new: microseconds of processor for each, of mongod and of what writes."""
        more = readings(MORE_READINGS, sensors=USUAL_SENSORS, run=f"{number:012x}", start=start)
        processors = Processors([self._process])
        before = processors.seconds() + time.process_time()
        store_writes.write_readings(target, more)
        return 1e6 * (processors.seconds() + time.process_time() - before) / MORE_READINGS

    def _first_look(self, page: Served, path: str, view: View) -> float:
        """Processor seconds of page and mongod until a view is whole."""
        processors = Processors([psutil.Process(page.script.pid), self._process])
        before = processors.seconds()
        viewer = Viewer(page.port)
        viewer.ask(path)
        [tick] = [one for one in viewer.callbacks(path) if one.is_tick]
        body = tick.body(view)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b'"complete":false' in viewer.ask(tick.path, body)[0]:
            if time.monotonic() > deadline:
                raise SystemExit(f"{path} did not show all of {view.range} within {PATIENCE_SECONDS:g} s")
        return processors.seconds() - before

    def _refreshes(self, page: Served, path: str, view: View) -> float:
        """The median of refreshes of a view that was looked at before, in ms."""
        ticks = watch(page.port, path, view, 1.0, REFRESHES * REFRESH)
        return statistics.median(1000 * seconds for seconds, *_ in ticks)


def table(panels: Sequence[Panel]) -> str:
    """The figures as Markdown tables."""
    blocks = []
    for one in panels:
        sizes = one.series[0].sizes
        lines = [
            f"| {one.title} | {' | '.join(f'{size:,g}' for size in sizes)} | exponent | … at the end |",
            f"|---|{'---:|' * (len(sizes) + 2)}",
        ]
        for part in one.series:
            costs = " | ".join(f"{cost:,.3g}" if cost < 100 else f"{cost:,.0f}" for cost in part.costs)
            lines.append(f"| {part.name}, {part.unit} | {costs} | {part.exponent:.2f} | {part.last_exponent:.2f} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def verdict(panels: Sequence[Panel]) -> str:
    """Whether anything grows faster than what it is made for, in a sentence."""
    worse = [part.name for one in panels for part in one.series if part.is_worse_than_linear]
    most = f"an exponent above {1 + TOLERANCE:g}, over all sizes or from the last but one to the last"
    return f"Worse than linear ({most}): {', '.join(worse)}." if worse else f"Nothing has {most}."


def main() -> int:
    """Measure each size, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000, help="readings of each size (default: 200000)")
    parser.add_argument("--stored-rate", type=float, default=5.0, help="stored readings a second (default: 5)")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "kafka") as kafka,
        local_mongod(
            Path(name) / "mongod", cache_gb=STORED_CACHE_GB, options=("--setParameter", "ttlMonitorEnabled=false")
        ) as mongod,
    ):
        rig = Rig(kafka, mongod, Path(name), chosen.messages)
        runs: dict[tuple[int, int], list[Costs]] = {}
        sizes = [*((one, USUAL_PARTITIONS) for one in SENSORS), *((USUAL_SENSORS, one) for one in PARTITIONS)]
        ends = [(one, USUAL_PARTITIONS) for one in (SENSORS[0], SENSORS[-1])]
        ends += [(USUAL_SENSORS, one) for one in (PARTITIONS[0], PARTITIONS[-1])]
        # The usual size is one of both.
        for size in [*dict.fromkeys(sizes), *ends]:
            runs.setdefault(size, []).append(rig.pipeline(*size))
        panels = [
            panel("sensors", {one: runs[one, USUAL_PARTITIONS] for one in SENSORS}),
            panel("partitions", {one: runs[USUAL_SENSORS, one] for one in PARTITIONS}),
            panel("hours stored", {hours: [rig.stored(hours, chosen.stored_rate)] for hours in HOURS}),
        ]
    most = chosen.stored_rate * 3600 * max(HOURS)
    about = (
        f"{verdict(panels)} Sensors and partitions: {chosen.messages:,} readings each. Hours: {USUAL_SENSORS:,} "
        f"sensors, {chosen.stored_rate:g} readings a second: {most:,.0f} in seven days, which mongod's cache of "
        f"{STORED_CACHE_GB:g} GB holds. The smallest and the largest "
        f"number of sensors and of partitions were measured twice; by so much the two runs differ at most: "
        f"{apart([runs[one] for one in ends])}."
    )
    more = {"panels": [{"title": one.title, "series": [vars(part) for part in one.series]} for one in panels]}
    keep_table("growth", about, table(panels), more)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

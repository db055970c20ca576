"""How long a reading takes to its alert, to MongoDB and to a browser's screen, in the whole pipeline at a steady rate.

    PYTHONPATH=.:tests python bench/pipeline_latency.py --rates 1000 10000 --warm-up 100 60 --seconds 310

Broker, MongoDB server, spark_job.py as it is by default, dashboard.py and producer.py run side by side, and one
machine's clock times them all; first alone, then with Chromium on a sensor's page beside them, which elsewhere has
processors of its own. From a reading's own timestamp it takes

- to the moment when the broker appended its alert to the topic (all alerts; those of readings close to where one
  real-time batch follows another are shown apart as well);
- to its `stored_at`, which its task's clock says just before MongoDB is given it (all readings);
- to MongoDB's acknowledgement, as the job itself counts it: in classes of time, so that a percentile is right to 19 %,
  and by batch, so that it is told of the batches that began while was measured;
- with Chromium, to the moment when it had drawn it in the sensor's chart (each reading of that sensor).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import measuring
import numpy as np
import psutil
from backlog import CACHE_GB, Processors, resident
from browsing import launch_options
from harness import LocalBroker, LocalMongod, await_condition, free_port, local_broker, local_mongod
from measuring import by_producer, keep_table, script
from playwright.sync_api import Page, expect, sync_playwright
from topics import read_all

from pipeline import latency, options, store, store_pipeline, store_queries
from pipeline.store import Store
from spark_job import READY

# Not a thousand: a sensor that sends each second would always meet the page's refresh at the same moment.
SENSORS, SENSOR = 970, "sensor_042"
START_SECONDS, REST_SECONDS = 300.0, 300.0
# A page that has just been opened is still drawing.
SETTLE_SECONDS = 20.0
# Readings so close to a new batch of the router are told apart.
BOUNDARY = timedelta(seconds=3)

# Notes after each drawing of the chart which reading is the last one in it: its time as shown, how many its point
# stands for, and the width of a point.
RECORDER = """
window.drawn = [];
(function look() {
  const chart = document.querySelector("#readings-chart .js-plotly-plot");
  if (chart && chart.on && !chart.dataset.recorded) {
    chart.dataset.recorded = "yes";
    chart.on("plotly_afterplot", () => {
      const line = chart.data.find((trace) => trace.customdata);
      const last = line ? line.x.findLastIndex((at) => at !== null) : -1;
      if (last < 0) return;
      window.drawn.push({
        at: Date.now(), last: Date.parse(line.x[last].replace(" ", "T") + "Z"), count: line.customdata[last][2],
      });
    });
  }
  requestAnimationFrame(look);
})();
"""


@dataclass(frozen=True)
class Plan:
    """A rate, readings a second, the seconds that are left out, and those that are measured, twice."""

    rate: float
    warm_up: float
    seconds: float


@dataclass(frozen=True)
class Span:
    """A span of time that was measured, and what each part used: processor seconds meanwhile, and MiB at the end."""

    since: datetime
    until: datetime
    used: dict[str, float]
    memory: dict[str, float]

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True)
class Leg:
    """What a leg took, in milliseconds, of so many readings."""

    name: str
    count: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Measured:
    """A rate asked for, what was sent and stored of it meanwhile (readings a second), its legs, and the parts' needs.

    `browser` tells whether one was at work on the same machine, `cores` what each part used, `memory` its MiB at the
    end.
    """

    rate: float
    browser: bool
    sent: float
    stored: float
    legs: list[Leg]
    cores: dict[str, float]
    memory: dict[str, float]


def require(name: str, count: int) -> None:
    """Raises SystemExit where nothing was measured of a leg."""
    if not count:
        raise SystemExit(f"nothing was measured of “{name}”: measure longer with --seconds")


def leg(name: str, milliseconds: Sequence[float] | np.ndarray) -> Leg:
    """Percentiles of what was measured; raises SystemExit where nothing was."""
    require(name, len(milliseconds))
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    return Leg(name, len(milliseconds), float(p50), float(p95), float(p99))


def alert_delays(servers: str) -> list[tuple[datetime, float]]:
    """Of each alert: its reading's timestamp, and milliseconds from there to the topic."""
    found: dict[str, tuple[datetime, float]] = {}
    for record in read_all(servers, "alerts"):
        alert = json.loads(record.value() or b"")
        moment = datetime.fromisoformat(alert["timestamp"])
        # An alert may come again.
        found.setdefault(alert["alert_id"], (moment, record.timestamp()[1] - 1000 * moment.timestamp()))
    return list(found.values())


def boundaries(target: Store) -> list[datetime]:
    """When the router's batches began and ended: of those that have ended, since `at` of one at work is now."""
    ended = {"query": "router", "batch_seconds": {"$exists": True}}
    found = target.collection("pipeline_progress").find(ended, {"at": 1, "batch_seconds": 1})
    spans = [(one["at"], timedelta(seconds=one["batch_seconds"])) for one in found]
    return sorted({moment for at, took in spans for moment in (at, at + took)})


def alert_legs(
    delays: Sequence[tuple[datetime, float]], between: Sequence[datetime], since: datetime, until: datetime
) -> Iterator[Leg]:
    """All alerts of the span, and those whose readings lie close to a new batch."""
    found = [(moment, took) for moment, took in delays if since <= moment < until]
    close = [took for moment, took in found if any(abs(moment - boundary) < BOUNDARY for boundary in between)]
    yield leg("alert on the topic", [took for _, took in found])
    if close:
        yield leg(f"the same, {BOUNDARY.seconds} s before and after a new batch", close)


def stored_leg(target: Store, since: datetime, until: datetime) -> Leg:
    """From each reading's timestamp to its `stored_at`."""
    taken = {"$subtract": ["$stored_at", "$timestamp"]}
    counted = target.collection("sensor_metrics").aggregate(
        [
            {"$match": {"timestamp": {"$gte": since, "$lt": until}}},
            {"$group": {"_id": taken, "count": {"$sum": 1}}},
        ]
    )
    pairs = [(one["_id"], one["count"]) for one in counted]
    return leg("document given to MongoDB", np.repeat(*np.array(pairs).T) if pairs else [])


def acknowledged_leg(target: Store, since: datetime, until: datetime) -> Leg:
    """From a reading's timestamp to MongoDB's acknowledgement, of the batches that began in the span."""
    name = "document acknowledged by MongoDB, of the batches begun meanwhile, to 19 %"
    counts: latency.Counts = {}
    for batch in store_pipeline.batches(target, "readings", since, until):
        latency.add(counts, batch.get("latency", {}).get(latency.IN_ALL, {}))
    found = latency.summary(counts)
    require(name, latency.total(counts))
    return Leg(name, latency.total(counts), *(1000 * (found[part] or 0.0) for part in ("p50", "p95", "p99")))


def screen_leg(target: Store, drawn: Sequence[Mapping[str, int]], since: datetime, until: datetime) -> Leg:
    """From the timestamp of each reading of the sensor to the first drawing that has it.

    A point that stands for several readings has the first ones of its time: a sensor's readings come in their order.
    """
    moments = [
        round(1000 * one["timestamp"].timestamp())
        for one in target.collection("sensor_metrics").find({"sensor_id": SENSOR}, {"timestamp": 1}).sort("timestamp")
    ]
    newest = [moments[bisect_left(moments, one["last"]) + one["count"] - 1] for one in drawn]
    shown_at = [one["at"] for one in drawn]
    begin, end = (moment.timestamp() * 1000 for moment in (since, until))
    wanted = [moment for moment in moments if begin <= moment < end]
    # Where the last drawing came before a reading, nothing is known of it.
    places = [bisect_left(newest, moment) for moment in wanted]
    took = [shown_at[place] - moment for place, moment in zip(places, wanted, strict=True) if place < len(shown_at)]
    return leg("drawn in a browser", took)


@contextmanager
def browser(port: int) -> Iterator[Page]:
    """The sensor's page, with its drawings noted."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        page = chromium.new_context(timezone_id="UTC", viewport={"width": 1440, "height": 900}).new_page()
        page.add_init_script(RECORDER)
        page.goto(f"http://127.0.0.1:{port}/sensor/?sensor={SENSOR}&range=5m")
        expect(page.locator("#readings-chart .scatterlayer .trace").first).to_be_attached()
        yield page
        chromium.close()


def measure(
    kafka: LocalBroker, mongod: LocalMongod, folder: Path, plan: Plan, java_options: str | None
) -> list[Measured]:
    """Everything at work at a rate, and what came of it without a browser and with one."""
    database, port = f"latency_{free_port()}", free_port()
    to_kafka = ("--servers", kafka.servers)
    to_mongo = ("--mongo-uri", mongod.uri, "--database", database)
    fleet = ("producer.py", *to_kafka, "--sensors", SENSORS, "--rate", plan.rate)
    words = ("spark_job.py", *to_kafka, *to_mongo, "--checkpoint", folder / "checkpoint")
    java = (f"{options.DRIVER_JAVA_OPTIONS.flag}={java_options}",) if java_options else ()
    with ExitStack() as stack:
        job = stack.enter_context(script(log := folder / "job.log", *words, *java))
        await_condition(lambda: READY in log.read_text() or job.poll() is not None, READY, START_SECONDS)
        if job.poll() is not None:
            raise SystemExit(log.read_text())
        # Only now: the readings of the job's start would be a backlog.
        parts: dict[str, psutil.Process] = {
            "broker": psutil.Process(kafka.running.identity.pid),
            "mongod": psutil.Process(mongod.running.identity.pid),
            "producer": stack.enter_context(script(said := folder / "producer.log", *fleet)),
            "job": job,
            "page": stack.enter_context(script(folder / "page.log", "dashboard.py", "--port", port, *to_mongo)),
        }
        target = store.ensure(mongod.uri, database)
        windows = partial(store_queries.count, target, "windowed_metrics")
        await_condition(lambda: windows() > 0, "a window is stored", START_SECONDS)
        # It is time itself that is left out here, and measured below: nothing tells when Java has compiled enough.
        time.sleep(plan.warm_up)
        alone = measured_span(parts, partial(time.sleep, plan.seconds))
        page = stack.enter_context(browser(port))
        page.wait_for_timeout(1000 * SETTLE_SECONDS)
        watched = measured_span(parts, partial(page.wait_for_timeout, 1000 * plan.seconds))
        # What was read last is drawn some time later.
        last = 1000 * watched.until.timestamp()
        await_condition(lambda: page.evaluate("drawn.at(-1).last") >= last, "all is drawn")
        drawn = page.evaluate("drawn")
        parts["producer"].terminate()
        parts["producer"].wait(REST_SECONDS)
        sent, _ = by_producer(said.read_text())
        stored = partial(store_queries.count, target, "sensor_metrics")
        await_condition(lambda: stored() >= sent, f"all {sent:,} readings are stored", REST_SECONDS)
        delays, between = alert_delays(kafka.servers), boundaries(target)
        alerts = [list(alert_legs(delays, between, one.since, one.until)) for one in (alone, watched)]
        screen = screen_leg(target, drawn, watched.since, watched.until)
        return [
            measured(target, plan.rate, alone, alerts[0]),
            measured(target, plan.rate, watched, alerts[1], screen),
        ]


def measured_span(parts: Mapping[str, psutil.Process], pause: Callable[[], None]) -> Span:
    """Let time go by, and note what the parts use."""
    since = datetime.now(UTC)
    used = {name: Processors([process]) for name, process in parts.items()}
    before = {name: one.seconds() for name, one in used.items()}
    pause()
    until = datetime.now(UTC)
    taken = {name: one.seconds() - before[name] for name, one in used.items()}
    return Span(since, until, taken, {name: resident(process) / 2**20 for name, process in parts.items()})


def measured(target: Store, rate: float, span: Span, alerts: Sequence[Leg], *screen: Leg) -> Measured:
    """What came of a span, once all is stored; `screen` is the leg to a browser where there was one."""
    since, until = span.since, span.until
    legs = [*alerts, stored_leg(target, since, until), acknowledged_leg(target, since, until), *screen]
    readings, within = target.collection("sensor_metrics"), {"$gte": since, "$lt": until}
    sent, stored = (readings.count_documents({name: within}) / span.seconds for name in ("timestamp", "stored_at"))
    cores = {name: used / span.seconds for name, used in span.used.items()}
    return Measured(rate, bool(screen), sent, stored, legs, cores, span.memory)


def table(found: Sequence[Measured]) -> str:
    """The figures as Markdown tables."""
    lines = [
        "| readings a second | browser | from a reading to its | p50, ms | p95, ms | p99, ms | of |",
        "|---:|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.rate:,.0f} | {_beside(one)} | {part.name} | "
        f"{part.p50:,.0f} | {part.p95:,.0f} | {part.p99:,.0f} | {part.count:,} |"
        for one in found
        for part in one.legs
    ]
    names = list(found[0].cores)
    lines += ["", f"| readings a second | browser | {' | '.join(names)} |", f"|---:|---|{'---:|' * len(names)}"]
    lines += [
        f"| {one.rate:,.0f} | {_beside(one)} | "
        + " | ".join(f"{one.cores[name]:.2f} cores, {one.memory[name]:,.0f} MiB" for name in names)
        + " |"
        for one in found
    ]
    return "\n".join(lines)


def _beside(one: Measured) -> str:
    return "Chromium beside it" if one.browser else "none"


def main() -> int:
    """Measure each rate, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[1000.0, 10_000.0], help="readings a second")
    of_each = "of each rate, the last number for those that have none"
    parser.add_argument("--warm-up", type=float, nargs="+", default=[100.0, 60.0], help=f"seconds left out {of_each}")
    parser.add_argument("--seconds", type=float, nargs="+", default=[310.0], help=f"seconds measured {of_each}")
    parser.add_argument("--java-options", help="options for Spark's Java (default: the job's own)")
    chosen = parser.parse_args()
    plans = [
        Plan(rate, *(given[min(number, len(given) - 1)] for given in (chosen.warm_up, chosen.seconds)))
        for number, rate in enumerate(chosen.rates)
    ]
    found = []
    for plan in plans:
        with (
            tempfile.TemporaryDirectory() as name,
            local_broker(Path(name) / "kafka") as kafka,
            local_mongod(Path(name) / "mongod", cache_gb=CACHE_GB) as mongod,
        ):
            both = measure(kafka, mongod, Path(name), plan, chosen.java_options)
        print(table(both), flush=True)
        found += both
    times = ", ".join(f"{one.rate:,.0f} a second for {one.seconds:g} s after {one.warm_up:g} s" for one in plans)
    about = (
        f"From a reading's own timestamp, {SENSORS} sensors: {times} of warming up, and again with Chromium on a "
        "sensor's page; broker, mongod, job, producer, page and Chromium on this machine, all as they are by default, "
        f"but for mongod's cache of {CACHE_GB:g} GB."
    )
    keep_table("latency", about, table(found), {"measured": [asdict(one) for one in found]})
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

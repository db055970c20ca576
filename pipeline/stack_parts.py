"""The services of the local stack, each described once; a new one is one more entry in `PARTS`."""

from __future__ import annotations

import argparse
import http
import os
import secrets
import shutil
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline import jars, java, kafka_archive, kafka_server, mongod, options, ports, runtime, settings, store
from pipeline.console import UsageError, UserError
from pipeline.display import Display
from pipeline.java import Java
from pipeline.mongod import Mongod
from pipeline.services import Service, tail
from pipeline.settings import Setting

# A run of at most so many seconds is over before Java's second compiler has paid for what it takes at the start. On
# fewer than so many cores it takes that from the pipeline and the browser, for minutes.
SHORT_RUN, MANY_CORES = 120.0, 4
# A producer that died at the very end still has to end well.
SHORTEST_RUN = 0.1


@dataclass
class Plan:
    """What a start needs to know: settings, data folder, and the tools once they are there.

    `runs` are those of the producer, one for each time that it was started, `sending_since` when it was first.
    """

    settings: argparse.Namespace
    folder: Path
    runs: list[str] = field(default_factory=list)
    sending_since: float | None = None
    java: Java | None = None
    jars: dict[str, Path] = field(default_factory=dict)
    mongod: Mongod | None = None

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.folder / "logs"

    @property
    def servers(self) -> str:
        """The broker's address."""
        return f"{ports.HOST}:{self.settings.kafka_port}"

    @property
    def mongo_uri(self) -> str:
        """The MongoDB server's address."""
        return f"mongodb://{ports.HOST}:{self.settings.mongo_port}"

    @property
    def to_kafka(self) -> tuple[str, str]:
        """The option by which our scripts find the broker."""
        return options.SERVERS.flag, self.servers

    @property
    def to_mongo(self) -> tuple[str, str]:
        """The option by which our scripts find mongod."""
        return options.MONGO_URI.flag, self.mongo_uri

    @property
    def page(self) -> str:
        """The address of the page."""
        return f"http://{ports.HOST}:{self.settings.dashboard_port}/"

    @property
    def ledger(self) -> Path:
        """The file where the producer notes what was acknowledged."""
        return self.folder / "ledger.jsonl"


@dataclass(frozen=True)
class Part:
    """A service that a stack can have.

    `make` describes it for a plan. `jars` names the configurations of ivy.xml that it needs, `mongod` says whether it
    needs that program, `port` is the setting of the port that it listens on. `answers` asks it, given data folder and
    address, whether it does its work; where that is None it does as long as it runs.
    """

    name: str
    make: Callable[[Plan], Service]
    jars: tuple[str, ...] = ()
    mongod: bool = False
    port: Setting | None = None
    answers: Callable[[Path, str], bool] | None = None


def _kafka(plan: Plan) -> Service:
    assert plan.java
    folder = plan.folder / "kafka"
    where = (folder, plan.logs, plan.settings.kafka_port)
    return kafka_server.service(plan.java, plan.jars["broker"], *where, options=plan.settings.kafka_java_options)


def _kafka_answers(folder: Path, address: str) -> bool:
    return kafka_server.health(address, kafka_server.cluster_id(folder / "kafka"))()


def _mongo(plan: Plan) -> Service:
    assert plan.mongod
    return mongod.service(plan.mongod.executable, plan.folder / "mongo", plan.logs, plan.settings.mongo_port)


def _mongo_answers(folder: Path, address: str) -> bool:
    return store.answers(address, mongod.data_folder(folder / "mongo"))


def _spark(plan: Plan) -> Service:
    folder = plan.folder / "spark"
    scratch = folder / "scratch"
    given = settings.variable(options.DRIVER_JAVA_OPTIONS.variable)
    fast_start = (f"{options.DRIVER_JAVA_OPTIONS.flag}={java.FEW_THREADS}",)
    is_short = plan.settings.seconds and plan.settings.seconds <= SHORT_RUN
    is_hasty = is_short or (os.cpu_count() or 1) < MANY_CORES
    # What a killed job left there is of no use.
    shutil.rmtree(scratch, ignore_errors=True)
    return replace(
        _script(
            plan,
            "spark",
            (
                *plan.to_kafka,
                *plan.to_mongo,
                "--checkpoint",
                (folder / "checkpoint").absolute(),
                *(fast_start if is_hasty and not given else ()),
            ),
            script="spark_job.py",
            ready="the job runs",
            address="windows and alerts",
            grace=40.0,
        ),
        patience=240.0,
        environment={**dict.fromkeys(_NOT_INHERITED), "SPARK_LOCAL_DIRS": str(scratch.absolute())},
    )


def _dashboard(plan: Plan) -> Service:
    words = ("--port", plan.settings.dashboard_port, *plan.to_mongo)
    return _script(plan, "dashboard", words, ready="serving the page", address=plan.page)


def _dashboard_answers(_folder: Path, address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}health", timeout=1) as answer:
            return bool(answer.status == http.HTTPStatus.OK)
    except OSError:
        return False


def _consumer(plan: Plan) -> Service:
    chosen = plan.settings
    return _script(
        plan,
        "consumer",
        (*plan.to_kafka, "--interval", chosen.interval, "--max-rows", chosen.max_rows),
        ready="reading",
        address=f"a table every {chosen.interval:g} s",
        shown=True,
    )


def _producer(plan: Plan) -> Service:
    chosen, now = plan.settings, time.monotonic()
    plan.sending_since = plan.sending_since or now
    elapsed = now - plan.sending_since
    # Ids are made of run and sequence: one that is started again must not use any twice.
    plan.runs.append(f"{secrets.randbits(48):012x}")
    rates = [f"{rate!r}@{since!r}" if since else repr(rate) for rate, since in _rates_from(chosen.rate, elapsed)]
    run = ("--run", plan.runs[-1], "--ledger", plan.ledger)
    words = (*plan.to_kafka, "--sensors", chosen.sensors, "--rate", *rates, *run)
    limit = ("--duration", max(chosen.seconds - elapsed, SHORTEST_RUN)) if chosen.seconds else ()
    return _script(
        plan,
        "producer",
        (*words, *limit),
        ready="(--run ",
        address=f"{chosen.sensors:,} sensors, {chosen.rate[0][0]:,.6g} messages/s",
        # It waits up to 30 s for the last acknowledgements.
        grace=40.0,
    )


def _rates_from(rates: Sequence[tuple[float, float | None]], elapsed: float) -> list[tuple[float, float]]:
    """A timetable of rates (messages a second, and since when, in seconds) as it goes on after so many seconds."""
    steps = [(rate, since or 0.0) for rate, since in rates]
    due = [rate for rate, since in steps if since <= elapsed]
    return [(due[-1], 0.0), *((rate, since - elapsed) for rate, since in steps if since > elapsed)]


# In order of start; stopped in reverse. All that reads is there before the first reading and until the last.
PARTS = {
    part.name: part
    for part in (
        Part("kafka", _kafka, jars=("broker",), port=options.KAFKA_PORT, answers=_kafka_answers),
        Part("mongo", _mongo, mongod=True, port=options.MONGO_PORT, answers=_mongo_answers),
        Part("dashboard", _dashboard, port=options.DASHBOARD_PORT, answers=_dashboard_answers),
        Part("consumer", _consumer),
        Part("spark", _spark, jars=("spark",)),
        Part("producer", _producer),
    )
}

# What our scripts take from the environment here; the rest would turn them into something else.
_INHERITED = {options.TOPIC, options.CATALOG, options.ANOMALY_RATE, options.PROCESSES, options.SEED, settings.DEBUG}
_INHERITED |= {options.RULES, options.DRIVER_MEMORY, options.DRIVER_JAVA_OPTIONS, *options.RETENTION}
_NOT_INHERITED = {
    name
    for one in vars(options).values()
    if isinstance(one, Setting)
    for name in (one.variable, one.file_variable)
    if name
} - {one.variable for one in _INHERITED}


def _script(
    plan: Plan,
    name: str,
    words: tuple[object, ...],
    *,
    ready: str,
    address: str,
    script: str | None = None,
    shown: bool = False,
    grace: float = 15.0,
) -> Service:
    """One of our own scripts; it is ready when its log says `ready`."""
    log = plan.logs / f"{name}.log"
    return Service(
        name=name,
        command=(
            sys.executable,
            str(runtime.ROOT / (script or f"{name}.py")),
            *map(str, words),
        ),
        healthy=lambda: any(ready in line for line in tail(log, 50)),
        log=log,
        address=address,
        shown=shown,
        grace=grace,
        environment=dict.fromkeys(_NOT_INHERITED),
    )


def require_free_ports(parts: list[Part], chosen: argparse.Namespace) -> None:
    """Raise UserError that names the first port that is taken or wanted twice, by whom, and what changes it."""
    wanted: dict[int, str] = {}
    for part in parts:
        if part.port:
            port = getattr(chosen, part.port.name)
            if port in wanted:
                raise UsageError(f"{wanted[port]} and {part.port.flag} are both {port}: each needs a port of its own")
            wanted[port] = part.port.flag
            try:
                free = ports.is_free(port)
            except UserError as error:
                raise UsageError(f"{part.port.flag}: {error}") from None
            if not free:
                who = ports.holder(port)
                raise UserError(
                    f"port {port}, which {part.name} needs, is taken by {who}; "
                    f"end that or choose another with {part.port.flag}"
                )


def prepare(parts: list[Part], plan: Plan, display: Display) -> None:
    """Fetch what the parts need and the machine lacks; raises UserError when that fails."""
    configurations = list(dict.fromkeys(name for part in parts for name in part.jars))
    if configurations:
        with display.step("java", "looking for it") as step:
            plan.java = java.ensure(step)
        for name in configurations:
            with display.step("jars", "looking for them") as step:
                plan.jars[name] = jars.ensure(name, plan.java, step)
        if "broker" in plan.jars:
            with display.step("classes", "looking for their archive") as step:
                kafka_archive.ensure(plan.java, plan.jars["broker"], step)
    if any(part.mongod for part in parts):
        with display.step("mongod", "looking for it") as step:
            plan.mongod = mongod.ensure(step)

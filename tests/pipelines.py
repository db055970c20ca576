"""The whole pipeline in parts that a test breaks one by one, and the comparison at the end that nothing may escape."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from harness import HANG_SECONDS, Script, await_condition
from jobs import START_SECONDS, Job, surroundings
from judged import Judged, judge
from servers import Servers
from stored import opened

from pipeline import ledger, rules
from pipeline.processes import kill

RATE = 1000
SENSORS = 200
# In the order in which they are mended: servers come back before those that need them.
PARTS = ("kafka", "mongo", "producer", "driver")
SETTLE_SECONDS = 300


@dataclass(frozen=True)
class Recovery:
    """How many seconds after a fault readings were stored again, and those that were made after it."""

    flowing: float
    caught_up: float


@dataclass
class Pipeline:
    """Servers, a producer that keeps a ledger, and a Spark job (the driver)."""

    servers: Servers
    job: Job
    start_script: Callable[..., Script]
    # Where the producer finds the broker, unless it is told otherwise.
    brokers: str = ""
    _drivers: list[Script] = field(default_factory=list)
    _producers: list[Script] = field(default_factory=list)
    _words: tuple[Any, ...] = ()
    _driver_words: tuple[Any, ...] = ()
    _broken: dict[str, str] = field(default_factory=dict)
    recoveries: list[Recovery] = field(default_factory=list)
    # What the comparison at the end found.
    outcome: dict[str, int] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        """The file where the producers note what was acknowledged."""
        return self.job.folder / "run.jsonl"

    @property
    def driver(self) -> Script:
        """The Spark job that was started last."""
        return self._drivers[-1]

    @property
    def producer(self) -> Script:
        """The producer that was started last."""
        return self._producers[-1]

    def start_driver(self, *words: Any) -> Script:
        """Start the Spark job and wait until it runs."""
        self._driver_words = words
        self._drivers.append(self.job.start(*words))
        self.driver.await_output("the job runs", seconds=START_SECONDS)
        return self.driver

    def start_producer(self, *words: Any) -> Script:
        """Start a producer, with a run of its own, and wait until something of it is acknowledged."""
        before, self._words = self.acknowledged(), words
        fleet = ("--sensors", SENSORS, "--rate", RATE, "--ledger", self.ledger, *words)
        self._producers.append(
            self.start_script(
                "producer.py", "--servers", self.brokers or self.servers.bootstrap, "--topic", self.job.topic, *fleet
            )
        )
        self.await_acknowledged(before + 1)
        return self.producer

    def acknowledged(self) -> int:
        """How many readings of all runs the ledger has as acknowledged."""
        return sum(run.readings for run in ledger.read(self.ledger).values()) if self.ledger.exists() else 0

    def await_acknowledged(self, count: int) -> None:
        """Wait until so many readings are acknowledged in all."""
        await_condition(lambda: self.acknowledged() >= count, f"{count:,} acknowledged", HANG_SECONDS)

    def await_more(self, seconds: float) -> None:
        """Let the producer work for so many seconds, counted by what was acknowledged."""
        self.await_acknowledged(self.acknowledged() + round(seconds * RATE))

    def stored(self) -> int:
        """How many readings MongoDB holds."""
        with opened(self.servers.uri, self.job.target.database) as database:
            # Not the estimate: after a kill -9 that stays wrong.
            return database["sensor_metrics"].count_documents({}, hint="_id_")

    def alarms(self) -> dict[str, dict[str, Any]]:
        """The alarms by their `_id`."""
        with opened(self.servers.uri, self.job.target.database) as database:
            return {one["_id"]: one for one in database["alarms"].find()}

    def await_stored(self, count: int) -> None:
        """Wait until MongoDB holds so many readings."""
        await_condition(lambda: self.stored() >= count, f"{count:,} stored", SETTLE_SECONDS)

    def end_producer(self) -> None:
        """Stop the producer, which ends well."""
        self.producer.signal(signal.SIGINT)
        done = self.producer.wait()
        assert done.code == 0, done.stderr

    def end_driver(self) -> None:
        """Stop the Spark job, which ends well."""
        self.driver.signal(signal.SIGTERM)
        done = self.driver.wait(START_SECONDS)
        assert done.code == 0, done.stderr

    def watermark(self) -> Any:
        """The watermark of the windows, if the job has told one."""
        with opened(self.servers.uri, self.job.target.database) as database:
            told = database["pipeline_progress"].find_one({"query": "windows", "watermark": {"$exists": True}})
        return told and told["watermark"]

    def kill(self, part: str) -> None:
        """End a part as a power cut does."""
        self._broken[part] = "kill"
        if part in {"kafka", "mongo"}:
            self.servers.kill(part)
        else:
            kill(self._processes(part))
            (self.driver if part == "driver" else self.producer).process.wait()

    def has_ended(self, part: str) -> bool:
        """Whether a part has ended by itself; it counts as killed then."""
        with suppress(psutil.NoSuchProcess):
            if any(one.status() != psutil.STATUS_ZOMBIE for one in self._processes(part)):
                return False
        self._broken[part] = "kill"
        if part in {"kafka", "mongo"}:
            self.servers.stop(part)
        return True

    def freeze(self, part: str) -> None:
        """Let a part do nothing until it is thawed, as when a machine hangs."""
        self._broken[part] = "freeze"
        for process in self._processes(part):
            process.send_signal(signal.SIGSTOP)

    def thaw(self, part: str) -> None:
        """Let a frozen part go on."""
        del self._broken[part]
        for process in self._processes(part):
            process.send_signal(signal.SIGCONT)

    def hold(self, seconds: float) -> None:
        """Let an outage last: its length is what is tried, and nothing happens that could be waited for."""
        time.sleep(seconds)

    def mend(self, *parts: str) -> None:
        """Start killed parts as they were started before, let frozen ones go on, and wait until readings flow again.

        The wait is counted from when the parts were back, or the driver was started.
        """
        faults = ", ".join(f"{self._broken[part]} {part}" for part in parts)
        for part in sorted(parts, key=PARTS.index):
            began = time.time()
            self._mend(part)
            back = began if part == "driver" else time.time()
        self.await_flow(faults, back)

    def await_flow(self, fault: str, since: float) -> None:
        """Wait until readings are stored again, those as well that were made since so many seconds after 1970."""
        moment, took = datetime.fromtimestamp(since, UTC), []
        for what in (self._has_stored_since, self._has_reading_since):
            await_condition(partial(what, moment), f"readings after {fault}", SETTLE_SECONDS)
            took.append(time.time() - since)
        self.recoveries.append(Recovery(*took))

    def _mend(self, part: str) -> None:
        if self._broken[part] == "freeze":
            self.thaw(part)
            return
        del self._broken[part]
        if part == "driver":
            self.start_driver(*self._driver_words)
        elif part == "producer":
            self.start_producer(*self._words)
        else:
            self.servers.start(part)

    def _has_stored_since(self, moment: datetime) -> bool:
        with opened(self.servers.uri, self.job.target.database) as database:
            last = database["sensor_metrics"].find_one(sort={"$natural": -1})
            return last is not None and last["stored_at"] >= moment

    def _has_reading_since(self, moment: datetime) -> bool:
        with opened(self.servers.uri, self.job.target.database) as database:
            return database["sensor_metrics"].find_one({"timestamp": {"$gte": moment}}) is not None

    def _processes(self, part: str) -> list[psutil.Process]:
        if part == "driver":
            return self.job.processes()
        return [psutil.Process(self.producer.pid) if part == "producer" else self.servers.process(part)]

    def is_written_but_not_committed(self, query: str) -> bool:
        """Whether MongoDB holds readings of the query's newest batch, which the checkpoint does not have as done."""
        folder = self.job.checkpoint / query
        begun, done = (_newest(folder / name) for name in ("offsets", "commits"))
        if begun is None or begun == done:
            return False
        since = json.loads((folder / "offsets" / str(begun - 1)).read_text().splitlines()[-1])[self.job.topic]
        wanted = [{"partition": int(part), "offset": {"$gte": offset}} for part, offset in since.items()]
        with opened(self.servers.uri, self.job.target.database) as database:
            return database["sensor_metrics"].find_one({"$or": wanted}) is not None

    def verdict(self) -> dict[str, Any]:
        """What verify.py says once all agrees; fails when it does not come to that."""
        to_mongo = ("--mongo-uri", self.servers.uri, "--database", self.job.target.database)
        done = self.start_script(
            "verify.py", "--ledger", self.ledger, "--wait", SETTLE_SECONDS, "--json", *to_mongo
        ).wait(SETTLE_SECONDS + HANG_SECONDS)
        assert done.code == 0, f"{done.stdout}\n{done.stderr}\n{self.driver.stderr}"
        return json.loads(done.stdout)

    def assert_all_is_well(self) -> Judged:
        """Everything acknowledged is stored once, the windows agree, and each alert that the rules imply is there once.

        Returns the topic as Python judges it.
        """
        runs = self.verdict()["runs"]
        judged = judge(self.servers.bootstrap, self.job.topic)
        wanted = {one.alert_id for one in judged.alerts(rules.load(None))}
        with opened(self.servers.uri, self.job.target.database) as database:
            alerts = {one["_id"] for one in database["anomaly_alerts"].find({}, {"_id": 1})}
            letters = {(one["partition"], one["offset"]): one["code"] for one in database["dead_letters"].find()}
        assert alerts == wanted
        assert letters == judged.refused
        self.outcome = {name: sum(run[name] for run in runs) for name in ("sent", "acknowledged", "stored", "missing")}
        self.outcome |= {"twice": self.stored() - len(judged.distinct), "dead letters": len(letters)}
        return judged


def _newest(folder: Path) -> int | None:
    return max((int(one.name) for one in folder.glob("[0-9]*")), default=None)


@contextmanager
def broken_pipeline(servers: Servers, start_script: Callable[..., Script], folder: Path) -> Iterator[Pipeline]:
    """A pipeline of which only the servers run yet."""
    with surroundings(start_script, servers.bootstrap, servers.uri, folder) as job:
        yield Pipeline(servers, job, start_script)

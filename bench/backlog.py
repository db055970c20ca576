"""A backlog of readings in a topic, spark_job.py to work it off, and how much of the processors that takes."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from measuring import Round
from pymongo import MongoClient
from pymongo.collection import Collection
from sinks import Target

from pipeline.broker import Connection, ensure_topics, readings_topic
from pipeline.runtime import ROOT
from spark_job import READY

TOPIC = "readings"
# The readings are as old as they would be in a backlog, a thousand a second.
AGE, RATE, SENSORS = timedelta(hours=6), 1000, 1000
# mongod's own default would be half of the memory.
CACHE_GB = 2.0
LOG_END = 2000
# What processes use has to be asked of Linux, and how many documents there are of mongod: so rarely that asking, which
# takes some 3 ms, costs the contestants next to nothing.
POLL_SECONDS, PATIENCE_SECONDS = 0.1, 1800.0


def producing(servers: str, topic: str, count: int, *, sensors: int, rate: float, age: timedelta) -> list[str]:
    """The command that sends so many readings as fast as it can, those of a fleet that began to send `age` ago."""
    where = ["--servers", servers, "--topic", topic, "--start", (datetime.now(UTC) - age).isoformat()]
    fleet = ["--sensors", str(sensors), "--rate", f"{rate:g}", "--count", str(count), "--unpaced"]
    return [sys.executable, str(ROOT / "producer.py"), *where, *fleet]


def fill(servers: str, count: int) -> None:
    """A topic with so many readings of a fleet."""
    ensure_topics(Connection(servers), [readings_topic(TOPIC)])
    command = producing(servers, TOPIC, count, sensors=SENSORS, rate=RATE, age=AGE)
    subprocess.run(command, check=True, capture_output=True)


class Processors:
    """Processor seconds of processes and their children: of those that ended, what they had last."""

    def __init__(self, started: Sequence[psutil.Process]) -> None:
        self._started = started
        self._used: dict[int, float] = {}

    def seconds(self) -> float:
        """All that was used until now."""
        for process in self._started:
            try:
                every = [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for one in every:
                try:
                    self._used[one.pid] = sum(one.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue
        return sum(self._used.values())


class Backlog:
    """A broker with a backlog of so many readings, a mongod with its process, and a folder."""

    def __init__(self, servers: str, uri: str, mongod: psutil.Process, folder: Path, count: int) -> None:
        self._servers, self._uri, self._mongod, self._folder, self._count = servers, uri, mongod, folder, count
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)

    @contextmanager
    def _target(self) -> Iterator[Target]:
        """A database and a folder for one who works it off; the database is dropped at the end."""
        database = f"bench_{secrets.token_hex(4)}"
        target = Target(self._servers, TOPIC, self._uri, database, self._folder / database)
        target.folder.mkdir()
        try:
            yield target
        finally:
            self._client.drop_database(database)


class Job(psutil.Popen):
    """spark_job.py, at work on a backlog until its end; what it says goes to `log`."""

    log: Path

    def check(self) -> None:
        """Raises RuntimeError, with the end of its log, where it has failed."""
        if self.poll() not in (None, 0):
            raise RuntimeError(f"spark_job.py failed:\n{self.said()[-LOG_END:]}")

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")


@contextmanager
def job(target: Target, *queries: str) -> Iterator[Job]:
    """The job with these queries (with none named, all), killed at the end if it is still there."""
    log = target.folder / "job.log"
    connection = ["--servers", target.servers, "--topic", target.topic, "--mongo-uri", target.uri]
    places = ["--database", target.database, "--checkpoint", str(target.folder / "checkpoint")]
    manner = ["--available-now", "--starting-offsets", "earliest", *(("--queries", *queries) if queries else ())]
    with log.open("wb") as out:
        started = Job(
            [sys.executable, str(ROOT / "spark_job.py"), *connection, *places, *manner],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    started.log = log
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


def looks(processors: Processors, is_over: Callable[[], bool]) -> Iterator[tuple[float, float]]:
    """Now and then until it is over, and once more then: the moment, and the processor seconds used until then.

    What a process used can be read only while it is there, so it has to be asked until its end. Raises RuntimeError
    where it is not over in time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        ends = is_over()
        now = time.monotonic()
        yield now, processors.seconds()
        if ends:
            return
        if now > deadline:
            raise RuntimeError(f"not done after {PATIENCE_SECONDS:g} s")
        # Linux tells nobody what a process uses, nor mongod how many documents it holds: both have to be asked again.
        time.sleep(POLL_SECONDS)


def stored(
    collection: Collection[Any],
    count: int,
    started: Sequence[psutil.Process],
    others: Sequence[psutil.Process],
    check: Callable[[], None],
    has_ended: Callable[[], bool] | None = None,
) -> Round:
    """Wait until processes have stored a backlog of `count`, or until they have ended where `has_ended` tells that.

    Seconds count from the first documents that are seen, and messages are those that come after them. Processor time
    is that of `started` from their start on, whatever they do before their first document, and of `others` from now
    on; a message's part of it is the same for all. Raises RuntimeError where other than `count` documents are there at
    the end, or it takes too long, and what `check` raises.
    """
    used_before, processors = Processors(others).seconds(), Processors([*others, *started])
    documents = 0

    def is_over() -> bool:
        nonlocal documents
        check()
        ended = has_ended is not None and has_ended()
        documents = collection.estimated_document_count()
        return ended if has_ended else documents >= count

    seen = [(now, used, documents) for now, used in looks(processors, is_over)]
    began, _, first = next((one for one in seen if one[2]), seen[-1])
    ended, used, _ = seen[-1]
    if documents != count or first == count:
        raise RuntimeError(f"{documents:,} documents for {count:,} readings, {first:,} of them at once")
    return Round(count - first, ended - began, (used - used_before) * (count - first) / count)


def worked_off(started: Job, count: int, others: Sequence[psutil.Process] = ()) -> tuple[Round, int]:
    """Wait for a job's end; its round of `count` readings, and the most memory that it had, bytes.

    Seconds and processor time count from the moment when its queries run; processor time is that of the job and of
    `others`. Memory is the job's with its children's, of which shared pages count more than once. Raises RuntimeError
    where it fails or takes too long.
    """
    memory = 0
    begun: tuple[float, float] | None = None
    for now, used in looks(Processors([started, *others]), lambda: started.poll() is not None):
        memory = max(memory, resident(started))
        if begun is None and READY in started.said():
            begun = now, used
    started.check()
    if begun is None:
        raise RuntimeError(f"spark_job.py ended before its queries ran:\n{started.said()[-LOG_END:]}")
    return Round(count, now - begun[0], used - begun[1]), memory


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children have in memory; shared pages count more than once."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            # Spark's Python comes and goes.
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total

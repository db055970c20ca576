"""A backlog of readings in a topic, spark_job.py to work it off, and how much of the processors that takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from sinks import Target

from pipeline.broker import Connection, ensure_topics, readings_topic
from pipeline.runtime import ROOT

TOPIC = "readings"
# The readings are as old as they would be in a backlog, a thousand a second.
AGE, RATE, SENSORS = timedelta(hours=6), 1000, 1000
# mongod's own default would be half of the memory.
CACHE_GB = 2.0
LOG_END = 2000


def fill(servers: str, count: int) -> None:
    """A topic with so many readings of a fleet."""
    ensure_topics(Connection(servers), [readings_topic(TOPIC)])
    start = (datetime.now(UTC) - AGE).isoformat()
    words = ["--servers", servers, "--topic", TOPIC, "--start", start, "--rate", str(RATE), "--sensors", str(SENSORS)]
    command = [sys.executable, str(ROOT / "producer.py"), *words, "--count", str(count), "--unpaced"]
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
    """The job with these queries, killed at the end if it is still there."""
    log = target.folder / "job.log"
    connection = ["--servers", target.servers, "--topic", target.topic, "--mongo-uri", target.uri]
    places = ["--database", target.database, "--checkpoint", str(target.folder / "checkpoint")]
    manner = ["--available-now", "--starting-offsets", "earliest", "--queries", *queries]
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

"""A backlog of readings in a topic, spark_job.py to work it off, and how much of the processors that takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from measuring import Round
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
POLL_SECONDS = 0.02


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


def worked_off(started: Job, count: int, others: Sequence[psutil.Process] = ()) -> tuple[Round, int]:
    """Wait for a job's end; its round of `count` readings, and the most memory that it had, bytes.

    Seconds count from the moment when its queries run; processor time is that of the job and of `others`. Memory is
    the job's with its children's, of which shared pages count more than once. Raises RuntimeError where it fails.
    """
    processors = Processors([started, *others])
    began, used_before, used, memory, is_running = 0.0, 0.0, 0.0, 0, False
    while started.poll() is None:
        used, memory = max(used, processors.seconds()), max(memory, resident(started))
        if not is_running and READY in started.said():
            began, used_before, is_running = time.monotonic(), used, True
        # What a process used can be read only while it is there: it is asked now and then until its end.
        with suppress(psutil.TimeoutExpired):
            started.wait(POLL_SECONDS)
    ended = time.monotonic()
    started.check()
    return Round(count, ended - began, used - used_before), memory


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children have in memory; shared pages count more than once."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            # Spark's Python comes and goes.
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total

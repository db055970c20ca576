"""The Spark job in tests: topics, a database and folders of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from harness import Completed, Script, processes_with
from stored import opened

from pipeline.broker import Connection, alerts_topic, dead_letter_topic, ensure_topics, readings_topic
from pipeline.store import Store

# What the job may take to start, and to end, five times what is usual on a busy machine of two cores.
START_SECONDS = 450.0
# Spark's own words, and what a traceback begins with: none of it is for users.
NOT_FOR_USERS = ("Traceback", "Exception", "\tat ", " WARN ", "Py4J", "Spark:")


@dataclass(frozen=True)
class Job:
    """What a Spark job works with, and how it is started."""

    start_script: Callable[..., Script]
    servers: str
    target: Store
    topic: str
    folder: Path

    @property
    def alerts_topic(self) -> str:
        return f"{self.topic}-alerts"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic}-letters"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def environment(self) -> dict[str, str | None]:
        """Everything that Spark writes for a while is under the test's own folder, and all talk is on this machine."""
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        return {"SPARK_LOCAL_DIRS": str(scratch), "TMPDIR": str(scratch), "SPARK_LOCAL_IP": "127.0.0.1"}

    @property
    def words(self) -> tuple[Any, ...]:
        """The options that every start of this job has."""
        return (
            *("--servers", self.servers, "--topic", self.topic, "--alerts-topic", self.alerts_topic),
            *("--dead-letter-topic", self.dead_letter_topic, "--checkpoint", self.checkpoint),
            *("--mongo-uri", self.target.uri, "--database", self.target.database),
        )

    def start(self, *words: Any, env: dict[str, str | None] | None = None, **more: Any) -> Script:
        """Start the job; of an option given twice the last counts."""
        return self.start_script("spark_job.py", *self.words, *words, env=self.environment | (env or {}), **more)

    def processes(self) -> list[psutil.Process]:
        """Every process of this job that runs: the script, its Java, and the Python that Spark starts."""
        # Not by SPARK_LOCAL_DIRS, of which Spark gives its Python another.
        return processes_with("TMPDIR", self.environment["TMPDIR"])

    def run(self, *words: Any, **more: Any) -> Completed:
        """Run the job to its end."""
        return self.start(*words, **more).wait(START_SECONDS)

    def produce(self, *words: Any) -> None:
        """Run a producer to its end; everything it sends is acknowledged."""
        done = self.start_script("producer.py", "--servers", self.servers, "--topic", self.topic, *words).wait()
        assert done.code == 0, done.stderr


@contextmanager
def surroundings(start_script: Callable[..., Script], servers: str, uri: str, folder: Path) -> Iterator[Job]:
    """Topics and a database for a job; the database is dropped at the end."""
    name = secrets.token_hex(6)
    job = Job(start_script, servers, Store(uri, f"test_{name}"), f"test-{name}", folder)
    topics = [
        readings_topic(job.topic),
        alerts_topic(job.alerts_topic),
        dead_letter_topic(job.dead_letter_topic),
    ]
    ensure_topics(Connection(servers), topics, timeout=30)
    yield job
    with opened(uri, job.target.database) as database:
        database.client.drop_database(job.target.database)


def assert_ended_well(done: Completed) -> None:
    """The job did its work, and nothing but its own log lines was said."""
    assert done.code == 0, done.stderr
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if any(word in line for word in NOT_FOR_USERS)] == []

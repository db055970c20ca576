"""A Spark standalone cluster on this machine, out of PySpark's own jars: a master and workers as processes."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark
from harness import await_condition, free_port, quiet_display
from jobs import START_SECONDS

from pipeline import java, ports, spark_session
from pipeline.services import Running, Service

SPARK = Path(pyspark.__file__).parent


@dataclass(frozen=True)
class Worker:
    """A worker at work, and the folder where its executors work."""

    running: Running
    folder: Path

    @property
    def has_worked(self) -> bool:
        """Whether it has run tasks: each executor fetches a copy of our code for the first of them."""
        return any(self.folder.glob("app-*/*/pipeline.zip"))


@dataclass(frozen=True)
class SparkCluster:
    """A cluster at work: its address for --master, and its processes."""

    address: str
    master: Running
    workers: Sequence[Worker]


@contextmanager
def spark_cluster(folder: Path, *, workers: int = 1, cores: int = 2, memory: str = "2g") -> Iterator[SparkCluster]:
    """A master and so many workers, each with `cores` and `memory` for executors; all are stopped at the end.

    Logs and work are in `folder`. Raises ServiceDied when one of them ends, AssertionError when they take too long.
    """
    folder.mkdir(parents=True)
    with quiet_display().step("java") as step:
        home = spark_session.java_home(java.ensure(step))
    port, page = free_port(), free_port()
    address = f"spark://{ports.HOST}:{port}"
    running: list[Running] = []

    def start(name: str, kind: str, *words: str) -> Running:
        running.append(Running(_service(folder, home, name, kind, *words), secrets.token_hex(8), attached=False))
        return running[-1]

    def are_at_work() -> bool:
        for one in running:
            one.check("while it started")
        return _alive(page) == workers

    try:
        master = start("master", "Master", "--port", str(port), "--webui-port", str(page))
        started = []
        for number in range(workers):
            work = folder / f"work-{number}"
            places = ("--port", str(free_port()), "--webui-port", str(free_port()), "--work-dir", str(work))
            shares = ("--cores", str(cores), "--memory", memory)
            started.append(Worker(start(f"worker-{number}", "Worker", *places, *shares, address), work))
        await_condition(are_at_work, f"{workers} Spark workers at {address}", START_SECONDS)
        yield SparkCluster(address, master, started)
    finally:
        for one in reversed(running):
            one.stop()


def _service(folder: Path, home: Path, name: str, kind: str, *words: str) -> Service:
    main = f"org.apache.spark.deploy.{kind.lower()}.{kind}"
    return Service(
        name=name,
        command=(str(SPARK / "bin" / "spark-class"), main, "--host", ports.HOST, *words),
        # The master alone knows of all; it is asked by who starts them.
        healthy=lambda: True,
        log=folder / f"{name}.log",
        folder=folder,
        environment={
            "SPARK_HOME": str(SPARK),
            "JAVA_HOME": str(home),
            "SPARK_LOCAL_IP": ports.HOST,
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "JAVA_TOOL_OPTIONS": java.FEW_THREADS,
        },
    )


def _alive(page: int) -> int:
    """How many workers the master has, by its page."""
    try:
        with urllib.request.urlopen(f"http://{ports.HOST}:{page}/json/", timeout=1) as answer:
            return sum(one["state"] == "ALIVE" for one in json.load(answer)["workers"])
    except (OSError, ValueError):
        return 0

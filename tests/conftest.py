"""Fixtures that every test can ask for. A missing piece fails; nothing is skipped."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import class_archive
import hypothesis
import pytest
from harness import Completed, LocalBroker, LocalMongod, Script, local_broker, local_mongod, scripts
from pymongo import MongoClient
from servers import Servers, both_servers
from stacks import Stack
from xdist.scheduler import LoadFileScheduling

from pipeline import java, options, processes, store
from pipeline.broker import Connection, ensure_topics, readings_topic
from pipeline.store import Store

# How long an example takes says nothing on a busy machine. The same examples come every time, so that a change is
# judged by what it changed; ARGS="--hypothesis-profile=explore" looks for new ones.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500)
hypothesis.settings.load_profile("project")


# Each of these keeps the machine busy with a Spark job; two at once would take several times as long.
BUSY = ("tests/spark/test_job_", "tests/chaos/", "tests/browser/test_live")


class Scheduling(LoadFileScheduling):
    """Gives each worker a file after the other, and all busy ones to the same worker."""

    def _split_scope(self, nodeid: str) -> str:
        return BUSY[0] if nodeid.startswith(BUSY) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # They take longest, so that the rest is done beside them, browsers at the end, which keep a machine busy as well.
    items.sort(key=lambda item: (not item.nodeid.startswith(BUSY), item.nodeid.startswith("tests/browser")))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--chaos-seconds", type=float, default=60, help="how long the random schedule of faults lasts")
    group.addoption("--chaos-report", type=Path, help="a file that gets a row of a Markdown table for each test")
    group.addoption("--chaos-seed", type=int, default=1, help="what the random schedule of faults is made from")


def pytest_configure() -> None:
    # The tests start Spark and Kafka often and give them little to do.
    os.environ[options.DRIVER_JAVA_OPTIONS.variable] = java.FEW_THREADS
    os.environ[options.KAFKA_JAVA_OPTIONS.variable] = java.FIRST_COMPILER_ALONE
    # What ends the tests from outside lets them stop their servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Under nohup, and in the background of a shell's script, signals are ignored, and the scripts that the tests start
    # would inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """One real Kafka broker for the whole run; `.servers` is its address."""
    with local_broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture(scope="session")
def fast_java() -> Iterator[str]:
    """Options with which Spark's Java starts faster; every job of the tests has them from now on."""
    words = f"{java.FEW_THREADS} -XX:SharedArchiveFile={class_archive.ensure()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(options.DRIVER_JAVA_OPTIONS.variable, words)
        yield words


@pytest.fixture
def new_topic(broker: LocalBroker) -> Callable[[], str]:
    """Makes topics of unique names, as many as a test needs."""

    def make() -> str:
        name = f"test-{secrets.token_hex(6)}"
        ensure_topics(Connection(broker.servers), [readings_topic(name)], timeout=30)
        return name

    return make


@pytest.fixture
def topic(new_topic: Callable[[], str]) -> str:
    """A fresh topic with three partitions."""
    return new_topic()


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMongod]:
    """One real MongoDB server for the whole run; `.uri` is its address."""
    # Tests store readings of fixed days; once a minute the server would remove what is past its retention.
    kept = ("--setParameter", "ttlMonitorEnabled=false")
    with local_mongod(tmp_path_factory.mktemp("mongod"), options=kept) as started:
        yield started


@pytest.fixture
def database(mongod: LocalMongod) -> Iterator[str]:
    """The name of a database of the test's own, dropped at its end."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client.drop_database(name)


@pytest.fixture
def target(mongod: LocalMongod, database: str) -> Store:
    """A database of the test's own with the collections and indexes of the schema."""
    return store.ensure(mongod.uri, database)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any program: PATH is its empty folder `bin`."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


@pytest.fixture
def start_script(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """Starts a script of this repository: `start_script("producer.py", "--count", 5, env={…})`."""
    with scripts(tmp_path) as start:
        yield start


@pytest.fixture
def run_script(start_script: Callable[..., Script]) -> Callable[..., Completed]:
    """Runs a script of this repository to its end: `run_script("producer.py", "--count", 5).stdout`."""

    def run(*words: Any, seconds: float = 120, **more: Any) -> Completed:
        return start_script(*words, **more).wait(seconds)

    return run


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """A broker and a mongod of the test's own, which it may kill."""
    with both_servers(tmp_path) as own:
        yield own


@pytest.fixture
def stack(start_script: Callable[..., Script], tmp_path: Path) -> Iterator[Stack]:
    """A stack that is not started yet; what the test leaves running is ended."""
    made = Stack(start_script, tmp_path / "data")
    yield made
    processes.kill(made.left())

"""A real dashboard.py over a real mongod that a fleet feeds, and a browser that looks at it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from browsing import Serve, Watched, launch_options
from harness import LocalMongod, Script, free_port
from live_data import LiveFleet
from playwright.sync_api import Page
from pymongo import MongoClient

from pipeline import store
from pipeline.store import Store


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, **launch_options()}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "viewport": {"width": 1440, "height": 900},
        "timezone_id": "Asia/Tokyo",
        "locale": "en-GB",
    }


class Fed(Protocol):
    """What feeds a database."""

    def feed(self) -> Any:
        """Bring it up to now."""

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop."""


@contextmanager
def feeding(fleet: Fed) -> Iterator[Fed]:
    """Feed a database until the end of the block, which fails when the feeding did."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            fleet.run(stop)
        except BaseException as error:
            failures.append(error)

    fleet.feed()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield fleet
    stop.set()
    thread.join(60)
    assert not failures, failures


@pytest.fixture(scope="session")
def live(mongod: LocalMongod) -> Iterator[Store]:
    """A database that a fleet of 48 sensors feeds."""
    name = f"test_{secrets.token_hex(6)}"
    target = store.ensure(mongod.uri, name)
    with feeding(LiveFleet(target, sensors=48, rate=48.0, anomaly_rate=0.02, history=900.0)):
        yield target
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts dashboard.py over a MongoDB and database and returns the page's address; asked again, the same one."""
    started: dict[tuple[str, ...], tuple[Script, str]] = {}

    def start(uri: str, database: str, *words: str) -> str:
        key = (uri, database, *words)
        if key not in started:
            port = free_port()
            script = Script(
                ("dashboard.py", "--mongo-uri", uri, "--database", database, "--port", str(port), *words),
                tmp_path_factory.mktemp("dashboard"),
                {},
                tmp_path_factory.mktemp("elsewhere"),
            )
            started[key] = script, f"http://127.0.0.1:{port}/"
            script.await_output("serving the page")
        return started[key][1]

    yield start
    for script, _ in started.values():
        script.end()


@pytest.fixture
def overview(page: Page, live: Store, serve: Serve) -> Iterator[Watched]:
    """The live page, not yet opened; the browser must not complain, nor ask another host for anything."""
    watched = Watched(page, serve(live.uri, live.database))
    watched.watch()
    yield watched
    assert not watched.problems, "\n".join(watched.problems)
    assert watched.hosts <= {urlsplit(watched.address).netloc}

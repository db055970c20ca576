"""Passing faults and outages that a real mongod is told to have (its fail points)."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import stored
from harness import LocalMongod, local_mongod
from pymongo.errors import OperationFailure
from stored import STILL
from tenacity import wait_none

from pipeline import store, store_alarms, store_queries, store_writes
from pipeline.store import Store
from pipeline.store_faults import Patience, StoreError, StoreUnavailable
from pipeline.store_writes import Manner

IMPATIENT = Manner(patience=Patience(attempts=3, pauses=wait_none()))


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMongod]:
    """A server that fails when told to."""
    options = ("--setParameter", "enableTestCommands=1")
    with local_mongod(tmp_path_factory.mktemp("frail"), options=options) as server:
        yield server


@pytest.fixture
def frail_target(frail: LocalMongod, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database on it."""
    name = f"test_{abs(hash(request.node.name)):x}"
    yield store.ensure(frail.uri, name)
    with stored.opened(frail.uri, name) as found:
        found.client.drop_database(name)


@contextmanager
def failing(uri: str, command: str, mode: Any, **how: Any) -> Iterator[None]:
    """Let the server fail at a command: so many times, or "alwaysOn"."""
    with stored.opened(uri, "admin") as admin:
        data = {"failCommands": [command], "appName": "sensor-streaming", **how}
        admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
        try:
            yield
        finally:
            admin.command("configureFailPoint", "failCommand", mode="off")


def write_everything(
    target: Store, manner: Manner, around: Callable[[], AbstractContextManager[None]] = nullcontext
) -> None:
    """Write what each collection gets, each part `around` by itself."""
    # The second time the sensors and the alarm are known, and another statement changes them.
    for first in (0, 20):
        with around():
            assert store_writes.write_readings(target, stored.readings(40)[first : first + 20], manner).refused == []
    with around():
        assert store_writes.write_windows(target, [stored.window(10 * n) for n in range(5)], manner).refused == []
    # The last one joins the alarms of the first two.
    for seconds in ((0, 100), (110,), (50,)):
        with around():
            assert store_alarms.write_alerts(target, [stored.alert(s) for s in seconds], 60, manner).refused == []


CLOSED = {"closeConnection": True}
CONFLICT = {"errorCode": 112}
LOCK_TIMEOUT = {"errorCode": 24}
NOT_JOURNALLED = {"writeConcernError": {"code": 64, "errmsg": "waiting for the journal timed out"}}


@pytest.mark.parametrize(
    ("command", "how"),
    [
        *((command, how) for command in ("insert", "update", "delete") for how in (CLOSED, CONFLICT, NOT_JOURNALLED)),
        *(("find", how) for how in (CLOSED, LOCK_TIMEOUT)),
    ],
)
def test_a_fault_that_passes_changes_nothing_of_what_is_stored(frail, frail_target, command, how):
    manner = Manner(batch=7, patience=Patience(pauses=wait_none()), now=STILL.now)
    write_everything(frail_target, manner)
    expected = stored.dump(frail.uri, frail_target.database)
    for name in expected:
        frail_target.collection(name).delete_many({})

    write_everything(frail_target, manner, lambda: failing(frail.uri, command, {"times": 2}, **how))

    assert stored.dump(frail.uri, frail_target.database) == expected


@pytest.mark.parametrize("how", [CONFLICT, NOT_JOURNALLED], ids=["conflict", "not journalled"])
def test_a_fault_that_does_not_pass_is_an_outage(frail, frail_target, how):
    with failing(frail.uri, "insert", "alwaysOn", **how), pytest.raises(StoreUnavailable, match="3 attempts"):
        store_writes.write_readings(frail_target, stored.readings(5), IMPATIENT)

    written = store_writes.write_readings(frail_target, stored.readings(5), IMPATIENT)
    assert written.stored + written.known == 5


def test_an_error_of_another_kind_is_raised_and_nothing_is_called_bad_data(frail, frail_target):
    with failing(frail.uri, "insert", "alwaysOn", errorCode=8), pytest.raises(StoreError) as caught:
        store_writes.write_readings(frail_target, stored.readings(5), IMPATIENT)

    assert not isinstance(caught.value, StoreUnavailable)
    assert isinstance(caught.value.__cause__, OperationFailure)
    assert "code 8" in str(caught.value)


def _count_in_child(target: Store, answers: Any) -> None:
    answers.put(store_queries.count(target, "sensor_metrics"))


def test_a_process_that_was_forked_has_a_client_of_its_own(frail_target):
    store_writes.write_readings(frail_target, stored.readings(5))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    child = context.Process(target=_count_in_child, args=(frail_target, answers))
    child.start()

    assert answers.get(timeout=60) == 5
    child.join(60)
    assert child.exitcode == 0
    assert store_queries.count(frail_target, "sensor_metrics") == 5

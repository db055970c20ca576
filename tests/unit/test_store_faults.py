from __future__ import annotations

import pickle

import pytest
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure, ServerSelectionTimeoutError

from pipeline import store
from pipeline.console import UsageError
from pipeline.store import Store
from pipeline.store_faults import Patience, StoreError, StoreUnavailable, translated

SECRET = "mongodb://ada:s%40crt-w0rd@db.example:27017/iot?authSource=admin"


class Work:
    """Fails with each of the errors in turn, then succeeds."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def patient(pauses: list[float]) -> Patience:
    return Patience(sleep=pauses.append)


@pytest.mark.parametrize(
    "fault",
    [
        AutoReconnect("connection closed"),
        NetworkTimeout("timed out"),
        OperationFailure("not primary", 10107),
        OperationFailure("write conflict", 112),
        OperationFailure("shutting down", 11600),
        OperationFailure("?", 1, {"errorLabels": ["RetryableWriteError"]}),
    ],
)
def test_a_passing_fault_is_tried_again(fault):
    work, pauses = Work(fault, fault), []

    assert patient(pauses).run(work) == "done"
    assert work.calls == 3
    assert len(pauses) == 2


def test_the_pauses_grow_up_to_a_limit_and_are_random():
    rounds: list[list[float]] = []
    for _ in range(200):
        pauses: list[float] = []
        with pytest.raises(StoreUnavailable, match="after 6 attempts: connection closed"):
            patient(pauses).run(Work(*[AutoReconnect("connection closed")] * 9))
        rounds.append(pauses)

    for number, limit in enumerate([0.1, 0.2, 0.4, 0.8, 1.6]):
        drawn = [pauses[number] for pauses in rounds]
        assert 0 <= min(drawn) < 0.1 * limit
        assert 0.9 * limit < max(drawn) <= limit
    with pytest.raises(StoreUnavailable):
        Patience(attempts=100, sleep=pauses.append).run(Work(*[AutoReconnect("connection closed")] * 100))
    assert 1.6 < max(pauses) <= 2.0


@pytest.mark.parametrize(
    "error", [OperationFailure("bad", 2), OperationFailure("unauthorized", 13), ServerSelectionTimeoutError("none")]
)
def test_what_would_fail_again_is_raised_at_once(error):
    pauses: list[float] = []

    with pytest.raises(type(error)):
        patient(pauses).run(Work(error))

    assert pauses == []


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ServerSelectionTimeoutError("h:1: refused, Timeout: 5s, Topology"), StoreUnavailable, "with --mongo-uri"),
        (AutoReconnect("connection closed"), StoreUnavailable, "connection closed"),
        (OperationFailure("shutting down", 11600), StoreUnavailable, "shutting down"),
        (OperationFailure("Authentication failed.", 18), StoreError, "refuses the credentials"),
        (OperationFailure("not authorized", 13), StoreError, "does not let this user"),
        (OperationFailure("bad", 2), StoreError, "bad (code 2)"),
    ],
)
def test_every_error_is_one_line_that_names_the_server(error, kind, words):
    with pytest.raises(StoreError) as caught, translated("db.example:27017"):
        raise error

    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "db.example:27017" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Topology" not in str(caught.value)


def test_errors_survive_the_way_from_one_process_to_another():
    error = pickle.loads(pickle.dumps(StoreUnavailable("no server")))

    assert type(error) is StoreUnavailable
    assert str(error) == "no server"


def test_a_password_is_never_shown():
    target = Store(SECRET, "iot")

    assert target.address == "db.example:27017"
    assert "w0rd" not in f"{target} {target!r}"
    assert store.without_password("found 's@crt-w0rd', s%40crt-w0rd", SECRET) == "found '***', ***"


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://ada:s%crt-w0rd@h",
        "mongodb://ada:w0rd@h:1:2",
        "mongodb://ada:w0rd/@h",
        "mongodb://ada:w0rd@h/?authMechanism=w0rd",
        "mongodb://ada:w0rd@h/?tls=true&ssl=false",
        "mongodb+srv://ada:w0rd@h/",
    ],
)
def test_a_uri_that_pymongo_refuses_is_a_usage_error_without_the_password(uri):
    with pytest.raises(UsageError) as caught:
        Store(uri, "iot").open()

    assert str(caught.value).startswith("--mongo-uri: ")
    assert "w0rd" not in str(caught.value)


def test_a_store_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Store(SECRET, "iot"))) == Store(SECRET, "iot")

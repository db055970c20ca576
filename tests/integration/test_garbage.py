"""Garbage of every kind, sent to every callback and address of every page: refused, or answered by what may be seen.

What there is to send it to comes from the pages themselves, so that a new page is looked at as well.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import page_callbacks
import pytest
from harness import free_port
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_data import LiveFleet
from page_callbacks import Callback

from pipeline import page_users, store, web
from pipeline.catalog import Catalog
from pipeline.page_users import Users
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.web_login import OPEN_PATHS, Login
from pipeline.web_server import WebServer

# Stands where no page shows anything of.
SECRET = "not-to-be-seen-4711"
SLOWEST_SECONDS = 30.0
PROFILE = {"deadline": None, "suppress_health_check": list(HealthCheck)}

NASTY_WORDS = (
    *("", " ", "\x00", "\ud800", "\udfff\ud800", "\u202e", "a" * 70_000, "NaN", "null", "__proto__", "constructor"),
    *("$ne", "$where", "$gt", "_id", "last.sensor_type", "=1+1", "<script>alert(1)</script>", "../../etc/passwd"),
    *("%00", "%ff", "%", "{{7*7}}", "2026-03-01T12:00:00.000Z", "sensor_1|too_hot|2026-03-01T12:00:00.000Z", "|||"),
)
OPERATORS = ("$ne", "$gt", "$in", "$regex", "$where", "$expr", "$function", "_id", "id", "props", "type", "__class__")
words = st.one_of(
    st.sampled_from(NASTY_WORDS), st.text(max_size=20), st.text(st.characters(categories=["Cs", "Cc"]), max_size=5)
)
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, 1, -1, 10**400, 2**63, 8.64e15, 1e308, True, False])
)
plain = st.one_of(st.none(), numbers, words)
garbage = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.one_of(st.sampled_from(OPERATORS), words), inner, max_size=4)
    ),
    max_leaves=12,
) | st.sampled_from([list(range(10_000)), [{"id": "x"}] * 5000, {"$where": "sleep(5000)"}, [[[[[]]]]]])


class Failures(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        self._failures.append(record.getMessage())


@dataclass
class Target:
    """The page's server with its callbacks and addresses; `failures` is what its log calls an error."""

    store: Store
    server: Any
    client: Any
    callbacks: list[Callback]
    addresses: list[str]
    failures: list[str] = field(default_factory=list)

    @property
    def weighted(self) -> list[Callback]:
        """The callbacks, those that the server answers more often."""
        return [one for one in self.callbacks for _ in range(1 if one.is_the_browsers else 8)]

    def post(self, callback: Callback, **request: Any) -> Any:
        return self.judged(lambda: self.client.post(callback.path, **request))

    def judged(self, ask: Any) -> Any:
        """An answer that says nothing it should not, in time."""
        began = time.monotonic()
        answer = ask()
        assert time.monotonic() - began < SLOWEST_SECONDS
        text = answer.get_data().decode("utf-8", "replace")
        failures, self.failures[:] = [*self.failures], []
        assert (answer.status_code < 500, failures) == (True, []), text
        assert "Traceback" not in text
        assert SECRET not in text
        if text and answer.status_code == 200 and answer.mimetype == "application/json":
            # What Python takes for JSON may be none for a browser.
            json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in an answer"))
        return answer


@pytest.fixture(scope="module")
def aim(mongod: Any) -> Iterator[Target]:
    target = store.ensure(mongod.uri, "test_garbage")
    LiveFleet(target, sensors=12, rate=12.0, anomaly_rate=0.2, history=60.0).feed()
    hide(target)
    server = web.build(target, web.snapshots_of_pages(Sources(target, Catalog(), Rules(60, 60)), 60.0), 2.0)
    client = server.test_client()
    callbacks: list[Callback] = []
    addresses = ["/healthz", "/metrics", "/nowhere"]
    for page in web.PAGES:
        callbacks += page_callbacks.of_page(page.path, lambda path: client.get(path).json)
        parts = ("", "_dash-layout", "_dash-dependencies", "_dash-update-component", "_reload-hash", "_favicon.ico")
        addresses += [f"{page.path}{part}" for part in (*parts, "assets/", "_dash-component-suites/dash/")]
    found = Target(target, server, client, callbacks, addresses)
    handler = Failures(found.failures)
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)
    target.open().client.drop_database(target.database)


def hide(target: Store) -> None:
    """Put the secret where questions that are bent might find it."""
    target.collection("secrets").insert_one({"_id": SECRET, "sensor_type": SECRET})
    for name in ("sensors", "alarms", "windowed_metrics", "pipeline_progress", "sensor_metrics"):
        target.collection(name).update_many({}, {"$set": {"hidden": SECRET}})


@given(data=st.data())
@settings(max_examples=300, **PROFILE)
def test_wrong_values_for_the_components_of_any_callback(aim: Target, data: Any):
    callback = data.draw(st.sampled_from(aim.weighted))
    body = callback.body()
    places = [one for part in ("inputs", "state") for one in body[part]]
    for one in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        now = one["value"]
        if isinstance(now, dict) and data.draw(st.booleans()):
            # Right but for one field, or with one more.
            one["value"] = {**now, data.draw(st.sampled_from([*now, "more"])): data.draw(garbage)}
        else:
            one["value"] = data.draw(garbage)

    answer = aim.post(callback, data=json.dumps(body), content_type="application/json")

    if callback.is_the_browsers:
        assert answer.status_code == 400


@given(data=st.data())
@settings(max_examples=150, **PROFILE)
def test_requests_of_a_wrong_shape(aim: Target, data: Any):
    callback = data.draw(st.sampled_from(aim.weighted))
    body: Any = callback.body()
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from([*body, "more"]))
        change = data.draw(st.sampled_from(("leave out", "replace", "repeat", "replace within")))
        if change == "leave out":
            body.pop(name, None)
        elif change == "repeat" and isinstance(body.get(name), list):
            body[name] = body[name] * 2
        elif change == "replace within" and isinstance(body.get(name), list) and body[name]:
            body[name] = [data.draw(garbage), *body[name][1:]]
        else:
            body[name] = data.draw(garbage)

    aim.post(callback, data=json.dumps(body), content_type="application/json")


@given(data=st.data())
@settings(max_examples=150, **PROFILE)
def test_bodies_that_are_no_json(aim: Target, data: Any):
    callback = data.draw(st.sampled_from(aim.weighted))
    whole = json.dumps(callback.body()).encode()
    body = data.draw(
        st.one_of(
            st.integers(0, len(whole)).map(lambda end: whole[:end]),
            st.binary(max_size=50),
            st.sampled_from(
                [
                    whole.decode().encode("utf-16")[3:],
                    b"[" * 200_000,
                    b'{"a":' * 100_000,
                    b'{"output":' + b"9" * 100_000 + b"}",
                    b"x" * 3_000_000,
                    whole + b" " * 600_000,
                    b'{"output": NaN, "inputs": Infinity}',
                    b"\xff\xfe",
                    # JSON, but for no component of ours: Python's reader ends at a thousand levels.
                    *(whole.replace(b'"value": ', b'"value": ' + b"[" * n + b"]" * n + b', "v": ') for n in (300, 900)),
                ]
            ),
        )
    )
    kinds = (
        "application/json",
        "text/plain",
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    )
    kind = data.draw(st.sampled_from((*kinds, "application/json; charset=utf-16", "application/json; charset=nothing")))

    answer = aim.post(callback, data=body, content_type=kind)

    if body != whole and b"[[[[" not in body:
        assert answer.status_code >= 400


@given(data=st.data())
@settings(max_examples=150, **PROFILE)
def test_addresses_that_no_page_has(aim: Target, data: Any):
    path = data.draw(st.sampled_from(aim.addresses))
    if data.draw(st.booleans()):
        path += data.draw(words)[:200].replace("?", "").replace("#", "")
    names = ("type", "location", "range", "since", "until", "sensor", "zone", "theme", "refresh", "paused", "next", "m")
    query = data.draw(st.lists(st.tuples(st.sampled_from(names) | words, words), max_size=5))
    method = data.draw(st.sampled_from(("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X")))
    encoded = path.encode("utf-8", "surrogatepass").decode("latin-1")
    pairs = [(name.encode("utf-8", "replace"), value[:2000].encode("utf-8", "replace")) for name, value in query]

    aim.judged(lambda: aim.client.open(encoded, method=method, query_string=dict(pairs)))


def test_what_the_pages_themselves_send_is_answered(aim: Target):
    codes = Counter(aim.post(one, json=one.body()).status_code for one in aim.callbacks if not one.is_the_browsers)

    # A button that nobody has pressed may be 400.
    assert set(codes) <= {200, 204, 400}
    # Each page ticks, and follows its address.
    assert codes[200] >= 2 * len(web.PAGES)


def test_nothing_of_any_page_is_seen_without_logging_in(aim: Target, tmp_path: Path):
    page_users.add(tmp_path / "users", "ada", "correct-horse-battery")
    snapshots = web.snapshots_of_pages(Sources(aim.store, Catalog(), Rules(60, 60)), 60.0)
    locked = web.build(aim.store, snapshots, 2.0, login=Login(Users(tmp_path / "users"))).test_client()

    asked = [locked.get(path) for path in aim.addresses if path not in OPEN_PATHS]
    posted = [locked.post(one.path, json=one.body()) for one in aim.callbacks]

    assert {one.status_code for one in asked} <= {303, 401, 404}
    assert {one.status_code for one in posted} == {401}


RAW = (
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%c0%ae%c0%ae/etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /?a=\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 300_000 + b"\r\n\r\n",
    b"POST /_dash-update-component HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /_dash-update-component HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST /_dash-update-component HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n\r\n",
)


def test_what_is_no_request_ends_with_an_error_or_a_closed_connection_and_the_server_goes_on(aim: Target):
    port = free_port()
    server = WebServer(aim.server, "127.0.0.1", port)
    server.start()
    try:
        for raw in RAW:
            with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST_SECONDS) as connection:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                said = b""
                with suppress(ConnectionError):
                    while part := connection.recv(65536):
                        said += part
            assert b"Traceback" not in said
            assert not said or int(said.split(b" ", 2)[1]) < 500 or b"501" in said[:20], (raw[:60], said[:200])
            with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST_SECONDS) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert connection.recv(65536).startswith(b"HTTP/1.1 200"), raw[:60]
    finally:
        server.stop()

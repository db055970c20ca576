"""dashboard.py as a server: what it answers, to whom, and how it starts and ends."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import stored
from harness import Script, free_port
from live_data import LiveFleet
from page_requests import UPDATE, acknowledgement, following, tick
from stored import START

from pipeline import store_alarms, web
from pipeline.catalog import Catalog
from pipeline.snapshots import Rules, Snapshots, Sources
from pipeline.store import Store
from pipeline.view import View

Client = Any


def snapshots(target: Store) -> Snapshots:
    return web.snapshots_of_pages(Sources(target, Catalog(), Rules(60, 60)), 60.0)


def client_of(target: Store) -> Client:
    return web.build(target, snapshots(target), 2.0).test_client()


@pytest.fixture
def client(target: Store) -> Client:
    return client_of(target)


def test_a_tick_answers_with_all_that_the_page_draws(client: Client, target: Store):
    LiveFleet(target, sensors=24, rate=24.0, anomaly_rate=0.05, history=120.0).feed()

    answer = client.post(UPDATE, json=tick(View().as_json()))

    assert answer.status_code == 200
    snapshot = answer.json["response"]["snapshot"]["data"]
    link = answer.json["response"]["link"]["data"]
    assert link["ok"] is True
    assert link["now"] >= snapshot["at"]
    assert list(snapshot["charts"]) == ["temperature", "humidity", "pressure", "vibration", "voltage", "current"]
    assert snapshot["figures"]["alive"] == 24
    assert snapshot["figures"]["open"] >= len(snapshot["alarms"]["rows"]) > 0
    assert [one["name"] for one in snapshot["parts"]] == [
        *("producer", "broker"),
        *("router", "readings", "windows", "mongodb"),
    ]
    assert len(snapshot["cells"]["rows"]) == 24
    assert snapshot["critical"]["count"] == snapshot["figures"]["critical"]
    assert sum(count for _, _, count, _ in snapshot["alarms"]["places"]) == snapshot["figures"]["open"]
    assert snapshot["choices"]["types"] == sorted(snapshot["charts"])


def test_a_tick_obeys_the_filters(client: Client, target: Store):
    LiveFleet(target, sensors=24, rate=24.0, anomaly_rate=0.05, history=120.0).feed()
    shown = View(types=("current",), locations=("factory-floor-a1", "nowhere"), alarms="all")

    snapshot = client.post(UPDATE, json=tick(shown.as_json())).json["response"]["snapshot"]["data"]

    assert list(snapshot["charts"]) == ["current"]
    # What else could be chosen is there as well.
    assert len(snapshot["cells"]["rows"]) == 24
    assert (snapshot["figures"]["known"], snapshot["figures"]["filtered"]) == (1, True)
    listed = [dict(zip(snapshot["alarms"]["columns"], row, strict=True)) for row in snapshot["alarms"]["rows"]]
    assert {one["location"] for one in listed} <= {"factory-floor-a1"}
    assert {one["id"].split("|")[1] for one in listed} <= {"current_high"}


def test_pages_that_look_at_the_same_share_one_answer(target: Store):
    shared = snapshots(target)

    first = shared.get("/", View())

    assert shared.get("/", View(paused=True, theme="dark", zone="utc", refresh=30)) is first
    assert shared.get("/", View(range="1h")) is not first
    assert shared.counts() == (2, 1)


def test_an_empty_database_is_no_error(client: Client):
    snapshot = client.post(UPDATE, json=tick(View().as_json())).json["response"]["snapshot"]["data"]

    assert snapshot["charts"] == {}
    assert snapshot["figures"]["newest"] is None
    assert snapshot["figures"]["rate"] is None


def test_a_time_that_is_over_is_shown_as_it_was(client: Client, target: Store):
    LiveFleet(target, sensors=24, rate=24.0, history=600.0).feed()
    begin = int(time.time()) // 10 * 10 - 480
    shown = View(since=1000 * begin, until=1000 * (begin + 120))

    snapshot = client.post(UPDATE, json=tick(shown.as_json())).json["response"]["snapshot"]["data"]

    assert (snapshot["since"], snapshot["until"]) == (shown.since, shown.until)
    drawn = [x for one in snapshot["charts"].values() for x in one["figure"]["data"][1]["x"]]
    assert begin == min(drawn) / 1000
    assert max(drawn) / 1000 < begin + 120
    assert len(drawn) == 6 * 12


@pytest.mark.parametrize(
    ("change", "address"),
    [
        ({"types": ["humidity"], "locations": ["office-lab"]}, "?type=humidity&location=office-lab&theme=dark"),
        (
            {"since": 1_700_000_000_000, "until": 1_700_000_060_000},
            "?since=2023-11-14T22:13:20Z&until=2023-11-14T22:14:20Z&theme=dark",
        ),
        ({"since": 1_700_000_000_000}, None),
        ({"types": {"$ne": None}}, None),
        ({"more": 1}, None),
        (["types"], None),
        (None, None),
    ],
)
def test_what_is_no_control_changes_the_view_when_it_can_be(client: Client, change: Any, address: str | None):
    answer = client.post(UPDATE, json=following(View(theme="dark"), change))

    if address is None:
        assert (answer.status_code, answer.text) == (400, "This is no view of the page.\n")
    else:
        assert answer.json["response"]["url"]["search"] == address


def test_a_range_ends_the_time_that_was_chosen_before(client: Client):
    before = View(since=1_700_000_000_000, until=1_700_000_060_000)

    done = client.post(UPDATE, json=following(before, None, cause="range.value", range="1h")).json["response"]

    assert done["url"]["search"] == "?range=1h"
    assert (done["view"]["data"]["since"], done["view"]["data"]["until"]) == (None, None)


def test_while_mongodb_is_away_a_tick_says_since_when_and_asks_no_more_than_once_a_second():
    gone = Store("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", "iot")
    client = client_of(gone)

    first, second = (client.post(UPDATE, json=tick(View(range=one).as_json())).json for one in ("1h", "6h"))

    assert "snapshot" not in first["response"]
    link = first["response"]["link"]["data"]
    assert link["ok"] is False
    assert "no MongoDB server answers at 127.0.0.1:1" in link["why"]
    assert second["response"]["link"]["data"] == link
    assert client.get("/health").json == {"status": "ok", "mongo": "away"}


def test_alarms_are_acknowledged_once(client: Client, target: Store):
    store_alarms.write_alerts(target, [stored.alert(0), stored.alert(0, sensor=1)], 60)
    ids = [one["_id"] for one in target.collection("alarms").find()]

    answers = [client.post(UPDATE, json=acknowledgement(ids, by, "fan")).json for by in ("ada", "bob")]

    told = [one["response"]["notices"]["sendNotifications"][0]["message"] for one in answers]
    assert told == ["2 alarms", "2 alarms had been before, by ada"]
    seen = [one["acknowledged"] for one in target.collection("alarms").find()]
    assert {(one["by"], one["note"]) for one in seen} == {("ada", "fan")}
    assert all(one["at"] - START > timedelta(0) for one in seen)


def test_an_alarm_that_is_gone_is_told(client: Client):
    body = acknowledgement(["sensor_1|too_hot|2026-03-01T12:00:00.000Z"], "ada", "")

    [notice] = client.post(UPDATE, json=body).json["response"]["notices"]["sendNotifications"]

    assert (notice["title"], notice["message"]) == ("Not acknowledged", "1 alarm is no longer there")


def test_an_acknowledgement_that_the_page_would_not_send_is_refused(client: Client):
    answer = client.post(UPDATE, json=acknowledgement([{"$ne": 1}], "ada", ""))

    assert (answer.status_code, answer.text) == (400, "These are no alarms.\n")


@pytest.mark.parametrize(
    "view",
    [
        {},
        [],
        "x",
        7,
        {**View().as_json(), "types": {"$ne": None}},
        {**View().as_json(), "range": {"$gt": ""}},
        {**View().as_json(), "more": 1},
    ],
)
def test_a_view_that_the_page_would_not_send_is_refused(client: Client, view: Any):
    answer = client.post(UPDATE, json=tick(view))

    assert answer.status_code == 400
    assert answer.text == "This is no view of the page.\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{oops",
        b'{"output": 1}',
        b'{"output": {"$ne": 1}}',
        b'{"output": "x.y"}',
        b'{"output": "..snapshot.data...link.data.."}',
        b'{"output": "..snapshot.data...link.data..", "inputs": "abc"}',
        b'{"output": "..snapshot.data...link.data..", "inputs": [1, 2, 3]}',
        b'{"output": "..snapshot.data...link.data..", "inputs": [{"id": "tick"}]}',
    ],
)
def test_a_body_that_is_no_callback_of_the_page_is_refused(client: Client, body: bytes):
    answer = client.post(UPDATE, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "change", [{"changedPropIds": [1]}, {"changedPropIds": "x"}, {"outputs": "x"}, {"outputs": [1]}, {"outputs": {}}]
)
def test_a_callback_with_odd_lists_is_refused(client: Client, change: dict[str, Any]):
    assert client.post(UPDATE, json={**tick(View().as_json()), **change}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "localhost:8050"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:9000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:8050"}, 403),
        ({"Host": "127.0.0.1.nip.io"}, 403),
        ({"Host": "localhost:8050", "Origin": "http://localhost:8050"}, 200),
        ({"Host": "localhost:8050", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:8050", "Origin": "null"}, 403),
    ],
)
def test_only_requests_to_this_machine_from_its_own_page_are_answered(client: Client, headers: Any, code: int):
    assert client.get("/", headers=headers).status_code == code


def test_every_answer_has_headers_that_keep_other_code_out(client: Client):
    for path in ("/", "/health", "/nowhere", "/_dash-layout"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_no_page_is_not_found(client: Client):
    for path in ("/nowhere", "/assets/../web.py", "/assets/nothing.js", "/.env"):
        assert client.get(path).status_code == 404, path
    told = client.get("/nowhere").text
    assert all(page in told for page in ("/,", "/alarms/", "/pipeline/", "/sensor/")), told


def test_a_request_that_is_too_large_is_refused(client: Client):
    answer = client.post(UPDATE, data=b'{"output": "' + b"x" * 600_000, content_type="application/json")

    assert answer.status_code in {400, 413}


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_answers_and_ends_well_on_a_signal(
    start_script: Callable[..., Script], target: Store, number: signal.Signals
):
    port = free_port()
    script = start_script("dashboard.py", "--mongo-uri", target.uri, "--database", target.database, "--port", port)
    script.await_output("serving the page")

    assert script.stdout == f"http://127.0.0.1:{port}/\n"
    assert get(port, "/")[0] == 200
    assert json.loads(get(port, "/health")[1]) == {"status": "ok", "mongo": "ok"}
    script.signal(number)

    done = script.wait()
    assert done.code == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_signal_amid_many_requests_ends_it_quietly(start_script: Callable[..., Script], target: Store, host: str):
    port = free_port()
    script = start_script("dashboard.py", "--mongo-uri", target.uri, "--host", host, "--port", port)
    script.await_output("serving the page")
    answered, ended = threading.Semaphore(0), threading.Event()

    def visit() -> None:
        while not ended.is_set():
            with suppress(OSError, http.client.HTTPException):
                get(port, "/")
                answered.release()

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for _ in range(20):
        assert answered.acquire(timeout=60)

    script.signal(signal.SIGINT)

    done = script.wait()
    ended.set()
    for visitor in visitors:
        visitor.join()
    assert done.code == 0
    assert [line.split()[1] for line in done.stderr.splitlines() if "Cancel" not in line] == ["INFO", "INFO"]


def test_it_starts_while_mongodb_is_away(start_script: Callable[..., Script]):
    port = free_port()
    script = start_script("dashboard.py", "--mongo-uri", "mongodb://127.0.0.1:1", "--port", port)
    script.await_output("serving the page")

    assert json.loads(get(port, "/health")[1]) == {"status": "ok", "mongo": "away"}


def test_a_taken_port_is_one_line(start_script: Callable[..., Script], run_script: Callable[..., Any], target: Store):
    port = free_port()
    words = ("dashboard.py", "--mongo-uri", target.uri, "--port", port)
    start_script(*words).await_output("serving the page")

    done = run_script(*words)

    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"dashboard.py: port {port} is taken by ")
    assert done.stderr.endswith("end that or choose another with --port\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "ssh -L"),
        (("--host", "example.org"), "is no IP address"),
        (("--port", "0"), "out of range"),
        (("--refresh", "0.1"), "out of range"),
        (("--mongo-uri", "localhost"), "no MongoDB address"),
        (("--database", "a b"), "no database name"),
        (("--catalog", "nowhere.toml"), "there is no file"),
    ],
)
def test_wrong_options_are_one_line(run_script: Callable[..., Any], words: tuple[str, ...], said: str):
    done = run_script("dashboard.py", *words)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1

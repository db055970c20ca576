"""What programs are told by the page's server: whether it is well, and its metrics."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clocks import HandClock
from harness import Script, free_port
from live_data import LiveFleet
from page_requests import UPDATE, tick
from scraping import Scraped, parsed, scrape

from pipeline import metrics_page, page_users, store_monitor, web
from pipeline.catalog import Catalog
from pipeline.metrics_page import (
    GONE_SECONDS,
    MONGODB,
    QUESTIONS,
    REQUESTS,
    SNAPSHOTS,
    TICK_BYTES,
    TICKS,
    VIEWERS,
    PageFigures,
)
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.view import View

Client = Any
ADA, BOB = "a" * 16, "b" * 16
PASSWORD = "correct-horse-battery"


def client_of(target: Store, clock: HandClock | None = None) -> Client:
    snapshots = web.snapshots_of_pages(Sources(target, Catalog(), Rules(60, 60)), 60.0)
    return web.build(target, snapshots, 2.0, figures=PageFigures(target, snapshots, clock)).test_client()


def shown(client: Client) -> Scraped:
    return parsed(client.get("/metrics").text)


@pytest.fixture
def gone() -> Store:
    return Store("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", "iot")


def test_health_tells_a_server_that_works_from_one_that_has_something_to_show(target: Store, gone: Store):
    well, ill = client_of(target), client_of(gone)

    for path in ("/healthz", "/health"):
        answer = well.get(path)
        assert (answer.status_code, answer.json) == (200, {"status": "ok", "mongo": "ok"})
        # To start it again would not bring MongoDB back.
        answer = ill.get(path)
        assert (answer.status_code, answer.json) == (200, {"status": "ok", "mongo": "away"})
    assert well.get("/healthz/ready").status_code == 200
    answer = ill.get("/healthz/ready")
    assert (answer.status_code, answer.json) == (503, {"status": "away", "mongo": "away"})
    assert (shown(well).value(MONGODB), shown(ill).value(MONGODB)) == (1, 0)


def test_the_metrics_count_requests_ticks_and_who_looks(target: Store):
    # given
    clock = HandClock(1000.0)
    client = client_of(target, clock)

    # when two pages look at the same, one of them twice, and somebody asks for what is not there
    sizes = [len(client.post(UPDATE, json=tick(View().as_json(), viewer=one)).data) for one in (ADA, BOB, BOB)]
    client.get("/")
    client.get("/nowhere")
    client.post(UPDATE, json={"output": "x"})

    # then
    found = shown(client)
    assert found.value(REQUESTS, what="tick", code="200") == 3
    assert found.value(REQUESTS, what="page", code="200") == 1
    assert found.value(REQUESTS, what="other", code="404") == 1
    assert found.value(REQUESTS, what="callback", code="400") == 1
    assert found.value(f"{TICKS.name}_count", page="/") == 3
    assert found.value(TICK_BYTES, page="/") == sum(sizes)
    assert found.value(SNAPSHOTS, source="made") == 1
    assert found.value(SNAPSHOTS, source="shared") == 2
    assert found.value(VIEWERS, page="/") == 2

    # and when one of them has gone
    clock.sleep(GONE_SECONDS - 1)
    client.post(UPDATE, json=tick(View().as_json(), viewer=ADA))
    clock.sleep(2)
    assert shown(client).value(VIEWERS, page="/") == 1


@pytest.mark.parametrize("viewer", [None, 1, {"a": 1}, "x" * 16, "a" * 17, ["a" * 16]])
def test_a_mark_that_no_page_of_ours_has_makes_no_viewer_of_its_own(target: Store, viewer: Any):
    client = client_of(target)

    for _ in range(2):
        assert client.post(UPDATE, json=tick(View().as_json(), viewer=viewer)).status_code == 200

    assert shown(client).value(VIEWERS, page="/") == 1


def test_a_question_is_named_after_the_function_that_asks():
    asked = {"__name__": "pipeline.store_alarms", "asker": store_monitor.asker}
    exec("def inner():\n    return asker()\n\ndef acknowledge():\n    return inner()\n", asked)

    assert asked["acknowledge"]() == "store_alarms.acknowledge"
    assert store_monitor.asker() == "other"


def test_a_page_with_users_keeps_its_metrics_to_them_and_to_a_port_of_this_machine(
    start_script: Callable[..., Script], target: Store, tmp_path: Path
):
    # given
    port, metrics_port = free_port(), free_port()
    page_users.add(tmp_path / "users", "ada", PASSWORD)
    LiveFleet(target, sensors=24, rate=24.0, history=60.0).feed()
    words = ("dashboard.py", "--mongo-uri", target.uri, "--database", target.database, "--port", port)
    script = start_script(*words, "--users", tmp_path / "users", "--metrics-port", metrics_port)
    script.await_output("serving the page")
    page = f"http://127.0.0.1:{port}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    # when
    with pytest.raises(urllib.error.HTTPError, match="401"):
        browser.open(f"{page}/metrics")
    browser.open(f"{page}/login", f"user=ada&password={PASSWORD}".encode())
    body = json.dumps(tick(View().as_json())).encode()
    browser.open(urllib.request.Request(f"{page}{UPDATE}", body, {"Content-Type": "application/json"}))

    # then
    found = scrape(metrics_port)
    found.require_declared(metrics_page.METRICS)
    assert found.value(REQUESTS, what="metrics", code="401") == 1
    for question in ("store_dashboard.choices", "store_windows.series_and_cells", "store_dashboard.answers"):
        assert found.value(f"{QUESTIONS.name}_count", question=question, outcome="ok") >= 1
    assert f"{QUESTIONS.name}_count" in browser.open(f"{page}/metrics").read().decode()
    script.signal(signal.SIGTERM)
    assert script.wait().code == 0

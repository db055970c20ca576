"""MongoDB goes away under an open page, and comes back."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

import pytest
from browsing import Serve, Watched, serious_violations
from harness import await_condition, free_port, local_mongod
from live_data import LiveFleet
from playwright.sync_api import Page, expect
from scraping import parsed

from pipeline import store
from pipeline.metrics_page import VIEWERS
from pipeline.store_faults import StoreError


def feed_until(stop: threading.Event, fleet: LiveFleet) -> None:
    """Feed a database that comes and goes, as the Spark job does: what it could not write is written later."""
    while not stop.wait(0.5):
        try:
            fleet.feed()
        except StoreError:
            continue


@pytest.mark.timeout(600)
def test_the_page_says_that_mongodb_is_away_keeps_what_it_had_and_goes_on_by_itself(
    page: Page, tmp_path: Path, serve: Serve
):
    port, name = free_port(), f"test_{secrets.token_hex(6)}"
    stop = threading.Event()
    with local_mongod(tmp_path, port) as mongod:
        fleet = LiveFleet(store.ensure(mongod.uri, name), sensors=24, rate=24.0, history=120.0)
        fleet.feed()
        thread = threading.Thread(target=feed_until, args=(stop, fleet), daemon=True)
        thread.start()
        watched = Watched(page, serve(mongod.uri, name))
        watched.watch()
        watched.open()
        watched.await_charts(6)

    expect(page.locator("#banner")).to_contain_text("MongoDB does not answer since")
    expect(page.locator("#banner")).to_contain_text(f"127.0.0.1:{port}")
    expect(page.locator("#alive-value")).to_have_text("24")
    assert len(watched.charts()) == 6
    health = page.request.get(f"{watched.address}health").json()
    assert health == {"status": "ok", "mongo": "away"}
    assert page.request.get(f"{watched.address}healthz/ready").status == 503
    assert parsed(page.request.get(f"{watched.address}metrics").text()).value(VIEWERS, page="/") == 1
    before = watched.newest_point()

    with local_mongod(tmp_path, port):
        expect(page.locator("#banner")).to_be_empty()
        await_condition(lambda: watched.newest_point() > before, "the charts go on")
        expect(page.locator("#panels")).to_have_class("panels is-live")
        stop.set()
        thread.join(60)
    assert watched.problems == []


def test_a_page_opened_while_mongodb_is_away_shows_the_error_and_fills_when_it_comes(
    page: Page, tmp_path: Path, serve: Serve
):
    port, name = free_port(), f"test_{secrets.token_hex(6)}"
    watched = Watched(page, serve(f"mongodb://127.0.0.1:{port}", name))
    watched.watch()

    watched.open("?theme=dark")

    expect(page.locator("#banner")).to_contain_text("MongoDB does not answer")
    expect(page.locator("#alarms-frame")).to_have_attribute("data-ag-theme-mode", "dark")
    assert serious_violations(page) == []
    with local_mongod(tmp_path, port) as mongod:
        LiveFleet(store.ensure(mongod.uri, name), sensors=24, rate=24.0, history=60.0).feed()
        watched.await_charts(6)
        expect(page.locator("#alive-value")).to_have_text("24")
    assert watched.problems == []

"""What the page weighs: answers are compressed, files are fetched once for all pages, and a refresh has a budget."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import page_callbacks
import pytest
from day_data import PastDay

from pipeline import store, web
from pipeline.catalog import Catalog
from pipeline.snapshots import Rules, Sources
from pipeline.view import View

Client = Any
# Bytes of a refresh on the wire, and of its JSON, with a thousand sensors that all have an alarm.
BUDGET, JSON_BUDGET = 20_000, 130_000
UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def client(mongod: Any) -> Iterator[Client]:
    target = store.ensure(mongod.uri, "test_weight")
    PastDay(target, UNTIL, seconds=900.0, readings_hours=0.01).write()
    sources = Sources(target, Catalog(), Rules(60, 60), now=lambda: UNTIL)
    yield web.build(target, web.snapshots_of_pages(sources, 60.0), 2.0).test_client()
    target.open().client.drop_database(target.database)


@pytest.mark.parametrize("path", [page.path for page in web.PAGES])
def test_a_refresh_keeps_its_budget(client: Client, path: str):
    [tick] = [one for one in page_callbacks.of_page(path, lambda asked: client.get(asked).json) if one.is_tick]

    answer = client.post(tick.path, json=tick.body(View()), headers={"Accept-Encoding": "gzip, deflate, br"})

    assert answer.headers["Content-Encoding"] == "gzip"
    content = gzip.decompress(answer.data)
    assert json.loads(content)["response"]["snapshot"]["data"]["at"] == UNTIL.timestamp() * 1000
    assert (len(answer.data) <= BUDGET, len(content) <= JSON_BUDGET) == (True, True), (len(answer.data), len(content))


def test_what_a_browser_loads_first_is_compressed_and_the_same_as_without(client: Client):
    whole = compressed = 0
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', client.get("/").text):
        plain = client.get(address)
        packed = client.get(address, headers={"Accept-Encoding": "gzip"})
        assert plain.status_code == packed.status_code == 200, address
        if packed.headers.get("Content-Encoding") == "gzip":
            assert "Accept-Encoding" in packed.headers["Vary"]
            assert gzip.decompress(packed.data) == plain.data
        whole += len(plain.data)
        compressed += len(packed.data)
    assert compressed < whole / 3

    # A browser that has a file already is told so, whichever way it came.
    address = "/_dash-component-suites/plotly/package_data/plotly.min.js"
    tag = client.get(address, headers={"Accept-Encoding": "gzip"}).headers["ETag"]
    assert client.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": tag}).status_code == 304


def test_who_takes_no_gzip_gets_none(client: Client):
    for accepted in ("", "identity", "gzip;q=0", "br"):
        answer = client.get("/", headers={"Accept-Encoding": accepted})
        assert "Content-Encoding" not in answer.headers
        assert answer.text.startswith("<!DOCTYPE html>")


def test_all_pages_take_their_files_from_one_place(client: Client):
    files = [
        {found for found in re.findall(r'(?:src|href)="(/[^"]+)"', client.get(page.path).text) if "/_dash-" in found}
        for page in web.PAGES
    ]

    assert all(one == files[0] for one in files)
    assert all(found.startswith("/_dash-component-suites/") for found in files[0])

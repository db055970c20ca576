"""What the server of the page about the pipeline answers to its callbacks."""

from __future__ import annotations

from typing import Any

import pytest
import stored
from page_requests import UPDATE, tick
from werkzeug.test import Client

from pipeline import store_writes, web
from pipeline.catalog import Catalog
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.view import View

PATH = f"/pipeline{UPDATE}"


def client_of(target: Store) -> Client:
    snapshots = web.snapshots_of_pages(Sources(target, Catalog(), Rules(60, 60)), 1.0)
    return web.build(target, snapshots, 2.0).test_client()


@pytest.fixture
def client(target: Store) -> Client:
    store_writes.write_dead_letters(target, [stored.dead_letter(7, b"\xff<b>"), stored.dead_letter(8, None)])
    return client_of(target)


def chosen(rows: Any) -> dict[str, Any]:
    """The body of a request for the whole of a dead letter."""
    return {
        "output": "letter.data",
        "outputs": {"id": "letter", "property": "data"},
        "inputs": [{"id": "letters", "property": "selectedRows", "value": rows}],
        "changedPropIds": ["letters.selectedRows"],
        "state": [],
    }


def letter(client: Client, rows: Any) -> Any:
    return client.post(PATH, json=chosen(rows)).json["response"]["letter"]["data"]


def test_a_tick_answers_with_all_that_the_page_draws(client):
    shown = View(reason="not_json", leg="to_spark", lag="windows").as_json()

    response = client.post(PATH, json=tick(shown)).json["response"]

    assert response["link"]["data"]["ok"] is True
    letters = response["snapshot"]["data"]["letters"]
    assert (letters["reason"], letters["codes"], len(letters["rows"])) == ("not_json", {"not_json": 2}, 2)


def test_pages_that_differ_in_what_only_the_browser_draws_share_a_document(target):
    snapshots = web.snapshots_of_pages(Sources(target, Catalog(), Rules(60, 60)), 60.0)

    one, other = (
        snapshots.get("/pipeline/", view) for view in (View(types=("humidity",)), View(leg="to_spark", lag="windows"))
    )

    assert one is other
    assert snapshots.get("/pipeline/", View(reason="not_json")) is not one


def test_a_letter_is_told_whole_and_none_for_no_choice(client):
    [row, *_] = client.post(PATH, json=tick(View().as_json())).json["response"]["snapshot"]["data"]["letters"]["rows"]

    found = letter(client, [row])

    assert (found["id"], found["offset"], found["code"]) == (row["id"], row["offset"], "not_json")
    assert letter(client, []) is None
    assert letter(client, None) is None
    assert letter(client, [{"id": "sensor-data-0-99"}]) == {
        "id": "sensor-data-0-99",
        "error": "This message is kept no longer.",
    }


def test_while_mongodb_is_away_a_letter_says_so(monkeypatch):
    monkeypatch.setattr("pipeline.pages.pipeline.DEADLINE_SECONDS", 0.2)
    gone = client_of(Store("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", "iot"))

    assert "no MongoDB server answers" in letter(gone, [{"id": "sensor-data-0-7"}])["error"]


def test_a_choice_that_the_page_would_not_send_is_refused(client):
    for rows in (
        "sensor-data-0-7",
        [{}],
        [{"id": 7}],
        [{"id": {"$ne": ""}}],
        [{"id": ""}],
        [{"id": "x" * 301}],
        [{"id": "a\nb"}],
        [{"id": "sensor-data-0-7"}, {"id": "sensor-data-0-8"}],
        {"id": "sensor-data-0-7"},
        7,
        [None],
    ):
        answer = client.post(PATH, json=chosen(rows))

        assert answer.status_code == 400, rows
        assert "This is no dead letter." in answer.text


def test_an_unknown_leg_or_query_is_refused(client):
    for change in ({"leg": "to_mars"}, {"lag": "router"}, {"reason": ["not_json"]}, {"reason": "x" * 65}):
        assert client.post(PATH, json=tick({**View().as_json(), **change})).status_code == 400

"""What the page about the pipeline asks of a real mongod, and the document that it becomes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import explaining
import pytest
import stored
from harness import LocalMongod
from pipeline_data import LETTERS, SimulatedJob
from stored import START

from pipeline import pipeline_snapshots, store, store_pipeline, store_writes
from pipeline.catalog import Catalog
from pipeline.figures import milliseconds
from pipeline.pipeline_snapshots import PipelineSnapshots
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.store_faults import StoreError, StoreUnavailable
from pipeline.store_pipeline import Holding
from pipeline.store_writes import Manner
from pipeline.view import View

SECONDS = 600.0
NOW = START + timedelta(seconds=1)


def ago(seconds: float) -> Any:
    return NOW - timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def ran(mongod: LocalMongod) -> Iterator[Store]:
    """A job that ran for ten minutes until START; no test changes it."""
    name = f"test_{secrets.token_hex(6)}"
    target = store.ensure(mongod.uri, name)
    SimulatedJob(target, START, SECONDS).write()
    yield target
    target.open().client.drop_database(name)


def snapshots(target: Store) -> PipelineSnapshots:
    return PipelineSnapshots(Sources(target, Catalog(), Rules(60, 60), now=lambda: NOW))


def made(target: Store, seconds: float, reason: str | None = None) -> dict[str, Any]:
    view = View(since=milliseconds(ago(seconds)), until=milliseconds(NOW), reason=reason)
    return stored.whole(snapshots(target), view)


def test_batches_of_one_query_come_in_their_order(ran):
    found = store_pipeline.batches(ran, "windows", ago(61), ago(1))

    assert len(found) == 30
    assert {one["query"] for one in found} == {"windows"}
    assert [one["at"] for one in found] == sorted(one["at"] for one in found)
    assert store_pipeline.batches(ran, "router", ago(9000), ago(8000)) == []


def test_dead_letters_are_counted_and_listed_by_reason_newest_first(ran):
    counts = store_pipeline.reasons(ran)
    [newest, *_] = every = store_pipeline.letters(ran, None, 100)
    chosen = store_pipeline.letters(ran, "not_utf8", 4)

    assert counts == {code.value: 10 for code in LETTERS}
    assert len(every) == 60
    assert newest["stored_at"] == START
    assert [one["code"] for one in chosen] == ["not_utf8"] * 4
    assert [one["stored_at"] for one in chosen] == sorted((one["stored_at"] for one in chosen), reverse=True)
    assert store_pipeline.letter(ran, newest["_id"]) == newest
    assert store_pipeline.letter(ran, "sensor-data-0-999") is None
    assert store_pipeline.letters(ran, "nothing", 4) == []


def test_more_than_can_be_counted_is_told_as_more(target, monkeypatch):
    monkeypatch.setattr(store_pipeline, "COUNT_LIMIT", 4)
    store_writes.write_dead_letters(target, [stored.dead_letter(n) for n in range(9)])

    assert store_pipeline.reasons(target) == {"not_json": 5}


def test_sizes_are_told_with_how_long_each_collection_is_kept(ran):
    found = store_pipeline.holdings(ran)

    held = {one.name: one for one in found.collections}
    assert len(held) == 8
    assert (held["pipeline_progress"].documents, held["pipeline_progress"].expires_after) == (601, 86_400)
    assert held["sensor_metrics"].expires_after == 7 * 86_400
    assert held["pipeline_progress"].data_bytes > 100_000
    assert held["pipeline_progress"].index_bytes > 0
    assert 0 < found.disk_used < found.disk_size


def test_what_the_page_asks_reads_no_whole_collection_and_sorts_none(ran):
    def ask() -> None:
        store_pipeline.batches(ran, "readings", ago(600), NOW)
        store_pipeline.reasons(ran)
        for code in (None, "not_json"):
            for letter in store_pipeline.letters(ran, code, 100)[:1]:
                store_pipeline.letter(ran, letter["_id"])

    done = explaining.profiled(ran, ask)

    assert {one["ns"].partition(".")[2] for one in done} == {"pipeline_progress", "dead_letters"}
    explaining.require_indexes(ran, done)


def test_the_document_tells_legs_series_parts_and_letters(ran):
    document = made(ran, 900)

    assert [part["state"] for part in document["parts"]] == ["good"] * 6
    legs = document["legs"]
    assert legs["in_all"]["count"] == 400 * SECONDS / 2
    assert 0.5 < legs["to_spark"]["p50"] < legs["to_spark"]["p99"] < 3
    assert legs["to_broker"]["p95"] < 0.02
    readings = document["series"]["readings"]
    assert document["series"].keys() == {"readings", "windows"}
    assert readings["rate"][5] == pytest.approx(1000, rel=0.1)
    assert readings["lags"].keys() == {"0", "1", "2"}
    assert document["series"]["windows"]["behind"][5] == 121
    assert document["bin_seconds"] == 10
    assert not document["kept"]["is_cut"]
    [router, stored_by, windows] = document["queries"]
    assert (router["is_real_time"], router["lag"]) == (True, None)
    assert stored_by["rows_per_second"] > stored_by["input_rows_per_second"] > 0
    assert (windows["behind"], windows["state_rows"] > 120_000) == (121, True)
    letters = document["letters"]
    assert letters["stored"] == 60
    assert letters["refused"] == sum(sum(one) for code, one in document["losses"]["reasons"].items() if code != "late")
    assert len(json.dumps(document)) < 100_000


def test_the_letters_of_one_reason_come_with_what_can_be_done(ran):
    letters = made(ran, 900, "not_utf8")["letters"]

    assert {one["code"] for one in letters["rows"]} == {"not_utf8"}
    assert letters["rows"][0]["shown"].startswith("7b 22 73 65 6e 73 6f 72")
    assert letters["codes"].keys() == {code.value for code in LETTERS}
    assert all("--reason not_utf8" in one["words"] for one in letters["commands"][:3])


@pytest.mark.parametrize("seconds", [300, 3600, 86_400])
def test_a_long_range_tells_the_same_as_a_short_one(ran, seconds):
    document = made(ran, seconds)

    whole = min(seconds, SECONDS)
    assert document["legs"]["in_all"]["count"] == pytest.approx(400 * whole / 2, abs=400 * 30)


def test_a_time_from_before_batches_were_kept_is_told_to_be_empty(ran):
    long_ago = View(since=milliseconds(ago(10 * 86_400)), until=milliseconds(ago(9 * 86_400)))

    document = snapshots(ran).make(long_ago)

    assert document["kept"] == {"seconds": 86_400, "is_cut": True, "is_empty": True}
    assert document["series"] == {}
    assert document["legs"]["in_all"]["count"] == 0


def test_a_database_without_anything_makes_a_document_as_well(target):
    document = made(target, 900)

    assert document["series"] == {}
    assert document["stored"] == document["letters"]["rows"] == []
    assert {part["name"]: part["state"] for part in document["parts"]} == {
        "producer": "unknown",
        "broker": "unknown",
        "router": "unknown",
        "readings": "unknown",
        "windows": "unknown",
        "mongodb": "good",
    }


def test_sizes_that_a_user_may_not_ask_for_are_said_to_be_unknown_and_asked_for_again_later(ran, monkeypatch):
    asked = []

    def refuse(_store: Store) -> Any:
        asked.append(1)
        raise StoreError("not allowed")

    monkeypatch.setattr(store_pipeline, "holdings", refuse)
    asking = snapshots(ran)

    documents = [asking.make(View()) for _ in range(2)]

    assert [one["holdings"] for one in documents] == [{"error": "not allowed"}] * 2
    assert len(asked) == 1


def test_an_outage_is_raised():
    gone = snapshots(Store("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", "iot"))

    with pytest.raises(StoreUnavailable):
        gone.make(View())


@pytest.mark.parametrize(
    ("documents", "expires_after", "bytes_then"),
    [(100_000, 100, 50_000_000), (100_000, None, None), (9_999, 100, None)],
)
def test_what_the_readings_will_take_is_told_by_what_each_takes_now(documents, expires_after, bytes_then):
    held = Holding("sensor_metrics", documents, 0, 300 * documents, 200 * documents, expires_after)

    assert pipeline_snapshots.forecast(held, 1000.0) == bytes_then


def test_a_letter_is_shown_whole(target):
    store_writes.write_dead_letters(target, [stored.dead_letter(3, b"x" * 2000)], Manner(now=lambda: START))
    [letter] = store_pipeline.letters(target, None, 1)

    found = pipeline_snapshots.letter_whole(letter)

    assert (found["size"], found["kept"], found["text"], found["key"]) == (2000, 1024, "x" * 1024, "sensor_1")
    assert found["hex"].count("\n") == 63

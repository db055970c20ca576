"""Documents merged with what is stored, by one statement for many or one for each, against a real mongod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.monitoring import CommandListener, CommandStartedEvent
from tenacity import wait_none

from pipeline import store_bulk
from pipeline.store_faults import Patience

Document = dict[str, Any]
PATIENCE = Patience(attempts=2, pauses=wait_none())
# The larger number stays, and what it came with; `first` is of whoever came first.
LARGER: Document = {
    "$mergeObjects": [
        {"$cond": [{"$gt": ["$$new.number", "$$ROOT.number"]}, "$$new", "$$ROOT"]},
        {"first": {"$ifNull": ["$$ROOT.first", "$$new.first"]}},
    ]
}
ANYTHING = st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["$number", "$$new", "$$ROOT", "$_id"])
DOCUMENTS = st.dictionaries(
    st.integers(0, 12).map(str) | st.sampled_from(["$number", "a.b", ""]),
    st.fixed_dictionaries({"number": st.integers(0, 5)}, optional={"first": st.text(max_size=3), "$more": ANYTHING}),
    max_size=10,
).map(lambda found: [{"_id": name, **document} for name, document in found.items()])
examples = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Updates(CommandListener):
    """How many documents or statements each update command had."""

    def __init__(self) -> None:
        self.statements: list[int] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "update":
            self.statements.append(len(event.command["updates"]))

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


@pytest.fixture
def collection(target, mongod):
    """A collection that takes numbers up to 100, and `updates`, the commands that change it."""
    with MongoClient(mongod.uri, event_listeners=[updates := Updates()]) as client:
        made = client[target.database].create_collection(
            "merged", validator={"$jsonSchema": {"properties": {"number": {"maximum": 100}}}}
        )
        yield made, updates


def stored(collection: Collection[Document]) -> list[Document]:
    return list(collection.find(sort={"_id": 1}))


def larger(before: Document, new: Document) -> Document:
    """What LARGER says."""
    chosen = new if new["number"] > before["number"] else before
    first = next((one["first"] for one in (before, new) if "first" in one), None)
    return {**chosen, "first": first} if first is not None else chosen


@examples
@given(before=DOCUMENTS, new=DOCUMENTS, together=st.booleans())
def test_each_document_is_merged_with_its_own_whatever_its_names_and_values(
    collection, monkeypatch, before, new, together
):
    monkeypatch.setattr(store_bulk, "_TOGETHER", 3)
    made, _ = collection
    made.delete_many({})
    if before:
        made.insert_many(before)

    for _again in range(2):
        assert store_bulk.merge(made, new, LARGER, PATIENCE, together=together) == {}

        known = {one["_id"]: one for one in before}
        expected = known | {one["_id"]: larger(known.get(one["_id"], one), one) for one in new}
        assert stored(made) == sorted(expected.values(), key=lambda one: one["_id"].encode())


def test_documents_that_are_there_are_merged_by_a_statement_for_many_and_others_one_by_one(collection, monkeypatch):
    monkeypatch.setattr(store_bulk, "_TOGETHER", 4)
    made, updates = collection
    made.insert_many([{"_id": number, "number": 0} for number in range(10)])

    store_bulk.merge(made, [{"_id": number, "number": 1} for number in range(10)], LARGER, PATIENCE)
    assert updates.statements == [1, 1, 1]

    updates.statements.clear()
    store_bulk.merge(made, [{"_id": number, "number": 2} for number in range(6, 12)], LARGER, PATIENCE)
    assert updates.statements == [1, 1, 2]

    updates.statements.clear()
    store_bulk.merge(made, [{"_id": number, "number": 3} for number in range(6)], LARGER, PATIENCE, together=False)
    assert updates.statements == [4, 2]
    assert [one["number"] for one in stored(made)] == [3] * 6 + [2] * 6


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("bad", [{"number": 101}, {"number": 2**70}, {"number": 1, "text": "\ud800"}])
def test_a_document_that_is_not_taken_is_named_and_the_others_are_merged(collection, monkeypatch, bad, together):
    monkeypatch.setattr(store_bulk, "_TOGETHER", 3)
    made, _ = collection
    made.insert_many([{"_id": number, "number": 0} for number in range(8)])
    new: list[Document] = [{"_id": number, "number": 1} for number in range(8)]
    new[4].update(bad)

    refused = store_bulk.merge(made, new, LARGER, PATIENCE, together=together)

    assert list(refused) == [4]
    assert [one["number"] for one in stored(made)] == [1, 1, 1, 1, 0, 1, 1, 1]

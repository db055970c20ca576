"""Bulk writes that tell good documents from bad ones: what the server refuses is named, the rest is written.

Every write here may be repeated: an error in the middle leaves open what was written, so all of it is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from bson.errors import InvalidDocument
from pymongo import DeleteOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, WriteConcernError

from pipeline.store_faults import PASSING_CODES, Patience, StoreError, is_passing, reason

Document = dict[str, Any]
T = TypeVar("T")

DUPLICATE_KEY = 11000
# So many documents are merged by one statement: the server looks each of them up in a list, one by one.
_TOGETHER = 250
# What one document is refused for: a wrong value, too many levels, no field name, an _id of a wrong type, against the
# validator, too large.
_BAD_DOCUMENT = frozenset((2, 15, 52, 53, 56, 57, 121, 10334))
# What a whole command is refused for because of one document in it.
_BAD_COMMAND = frozenset((15, 22, 10334))
# Raised by BSON's encoder, before anything is sent.
_NOT_ENCODABLE = (InvalidDocument, OverflowError, UnicodeEncodeError, RecursionError)


class Refused(NamedTuple):
    """A record that cannot be stored, and why."""

    record: Any
    reason: str


@dataclass
class Written:
    """What became of records: `stored`, `known` from before, and refused.

    `there` are the records that are known, of one part only: they are not gathered.
    """

    stored: int = 0
    known: int = 0
    refused: list[Refused] = field(default_factory=list)
    there: list[Any] = field(default_factory=list)

    def add(self, other: Written) -> None:
        """Count another part as well."""
        self.stored += other.stored
        self.known += other.known
        self.refused += other.refused


class _Failure(NamedTuple):
    position: int
    code: int
    reason: str
    on_id: bool = False


def insert_new(
    collection: Collection[Document], documents: Sequence[Document], patience: Patience, *, look_first: bool = False
) -> tuple[set[int], dict[int, str]]:
    """Insert documents whose `_id` is not there yet.

    Returns the indexes of those that were there and, with the reason, of those that cannot be stored.
    `look_first` asks for the known ones before: a duplicate costs the server ten times as much as an insert.
    """
    known: set[int] = set()
    if look_first:
        wanted = [document["_id"] for document in documents]
        there = patience.run(lambda: present(collection, wanted))
        known = {index for index, document in enumerate(documents) if document["_id"] in there}
    items = {index: document for index, document in enumerate(documents) if index not in known}
    failures = _deliver(items, lambda chosen: _insert(collection, chosen), patience, may_pass=_is_passing)
    duplicates = {one.position for one in failures if one.code == DUPLICATE_KEY and one.on_id}
    return known | duplicates, _refusals([one for one in failures if one.position not in duplicates], collection.name)


def present(collection: Collection[Document], wanted: Sequence[Any], *fields: str) -> dict[Any, Document]:
    """Those of the wanted documents that are there, by their `_id`, with these fields."""
    shown = dict.fromkeys(("_id", *fields), 1)
    return {one["_id"]: one for one in collection.find({"_id": {"$in": wanted}}, shown, batch_size=len(wanted))}


def change(
    collection: Collection[Document], operations: Sequence[UpdateOne | DeleteOne], patience: Patience
) -> dict[int, str]:
    """Do operations that may be repeated; returns the indexes of those that cannot be done, with the reason."""
    items = dict(enumerate(operations))
    failures = _deliver(items, lambda chosen: _update(collection, chosen), patience, may_pass=_is_passing_change)
    return _refusals(failures, collection.name)


def merge(
    collection: Collection[Document],
    documents: Sequence[Document],
    result: Document,
    patience: Patience,
    *,
    together: bool = True,
) -> dict[int, str]:
    """Make of each stored document and the new one of its `_id` what `result` says; returns as `change` does.

    `result` is an expression of MongoDB's, in which $$ROOT is the document that is stored, or its `_id` alone where
    there is none, and $$new the other. Each `_id` comes once. `together` writes many by one statement, which costs the
    server three fifths of one for each where all are there, and more where one is not.
    """
    refused: dict[int, str] = {}
    for begin in range(0, len(documents), _TOGETHER):
        part = documents[begin : begin + _TOGETHER]
        if together and patience.run(partial(_merged, collection, part, result)):
            continue
        operations = [
            UpdateOne({"_id": one["_id"]}, _replacing({"$literal": one}, result), upsert=True) for one in part
        ]
        reasons = change(collection, operations, patience)
        refused.update({begin + position: why for position, why in reasons.items()})
    return refused


def _merged(collection: Collection[Document], documents: Sequence[Document], result: Document) -> bool:
    """Whether one statement was enough; what it left may be done again."""
    identities = [one["_id"] for one in documents]
    position = {"$indexOfArray": [{"$literal": identities}, "$_id"]}
    new = {"$arrayElemAt": [{"$literal": list(documents)}, position]}
    try:
        found = collection.update_many({"_id": {"$in": identities}}, _replacing(new, result))
    except WriteConcernError as error:
        raise _not_journalled(reason(error)) from error
    except (OperationFailure, *_NOT_ENCODABLE) as error:
        if isinstance(error, OperationFailure) and is_passing(error):
            raise
        # One by one it comes out which of them it is.
        return False
    return found.matched_count == len(documents)


def _replacing(new: Document, result: Document) -> list[Document]:
    return [{"$replaceWith": {"$let": {"vars": {"new": new}, "in": result}}}]


def _not_journalled(told: str) -> AutoReconnect:
    """Written, but perhaps not journalled: the same as not acknowledged."""
    return AutoReconnect(told)


def _insert(collection: Collection[Document], documents: list[Document]) -> None:
    collection.insert_many(documents, ordered=False)


def _update(collection: Collection[Document], operations: list[UpdateOne | DeleteOne]) -> None:
    collection.bulk_write(operations, ordered=False)


def _is_passing(failure: _Failure) -> bool:
    return failure.code in PASSING_CODES


def _is_passing_change(failure: _Failure) -> bool:
    # Two upserts of one new _id at once: the second finds it when it comes again.
    return failure.code in PASSING_CODES or failure.code == DUPLICATE_KEY


def _deliver(
    items: Mapping[int, T],
    send: Callable[[list[T]], None],
    patience: Patience,
    *,
    may_pass: Callable[[_Failure], bool],
) -> list[_Failure]:
    """Send all items, what failed in passing again; returns what failed for good."""
    failures: list[_Failure] = []
    left = dict(items)

    def attempt() -> None:
        found = _send(left, send, patience)
        failures.extend(one for one in found if not may_pass(one))
        passing = [one for one in found if may_pass(one)]
        again = {one.position: left[one.position] for one in passing}
        left.clear()
        left.update(again)
        if passing:
            raise AutoReconnect(f"{len(passing)} documents not taken: {passing[-1].reason} (code {passing[-1].code})")

    patience.run(attempt)
    return failures


def _send(items: Mapping[int, T], send: Callable[[list[T]], None], patience: Patience) -> list[_Failure]:
    """Send the items once; where one of them spoils the whole command, in halves until it is found."""
    if not items:
        return []
    indexes = list(items)

    def attempt() -> list[_Failure]:
        try:
            send(list(items.values()))
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:
                raise _not_journalled(str(error.details["writeConcernErrors"][0].get("errmsg"))) from error
            return [_failure(indexes[one["index"]], one) for one in error.details["writeErrors"]]
        return []

    try:
        return patience.run(attempt)
    except _NOT_ENCODABLE as error:
        failure = _Failure(indexes[0], 2, reason(error))
    except OperationFailure as error:
        if error.code not in _BAD_COMMAND:
            raise
        failure = _Failure(indexes[0], error.code, reason(error))
    if len(indexes) == 1:
        return [failure]
    halves = indexes[: len(indexes) // 2], indexes[len(indexes) // 2 :]
    return [one for half in halves for one in _send({index: items[index] for index in half}, send, patience)]


def _failure(index: int, error: Mapping[str, Any]) -> _Failure:
    return _Failure(index, error["code"], error["errmsg"], on_id=list(error.get("keyPattern", ())) == ["_id"])


def _refusals(failures: Sequence[_Failure], name: str) -> dict[int, str]:
    """The reasons by index; raises StoreError for an error that is not the document's own fault."""
    for one in failures:
        if one.code not in _BAD_DOCUMENT:
            raise StoreError(f"MongoDB refuses to write to {name}: {one.reason} (code {one.code})")
    return {one.position: f"{one.reason} (code {one.code})" for one in failures}

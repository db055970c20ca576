"""What the page about the pipeline asks of MongoDB: each question is answered by an index, or by the server's sums."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline import store_schema
from pipeline.store import Store
from pipeline.store_faults import translated

Document = dict[str, Any]

# More dead letters of a reason are not counted one by one: the page says "10,000+".
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class Holding:
    """A collection: how many documents, bytes of data, on disk and of indexes, and after how many seconds they expire.

    `expires_after` is None where they are kept for good.
    """

    name: str
    documents: int
    data_bytes: int
    disk_bytes: int
    index_bytes: int
    expires_after: int | None


@dataclass(frozen=True)
class Holdings:
    """What the database holds, and the disk that it lies on, in bytes."""

    collections: tuple[Holding, ...]
    disk_used: int
    disk_size: int


def batches(store: Store, query: str, since: datetime, until: datetime) -> list[Document]:
    """The batches of a streaming query that began in [since, until), in their order."""
    wanted = {"query": {"$eq": query}, "at": {"$gte": since, "$lt": until}}
    with translated(store.address):
        return list(store.collection("pipeline_progress").find(wanted, sort={"at": 1}))


def reasons(store: Store) -> dict[str, int]:
    """How many dead letters are stored of each code, at most COUNT_LIMIT + 1 of each."""
    letters = store.collection("dead_letters")
    with translated(store.address):
        codes = sorted(code for code in letters.distinct("code") if isinstance(code, str))
        return {code: letters.count_documents({"code": {"$eq": code}}, limit=COUNT_LIMIT + 1) for code in codes}


def letters(store: Store, code: str | None, limit: int) -> list[Document]:
    """The dead letters that were stored last, newest first, of one code or of all."""
    matching = {"code": {"$eq": code}} if code else {}
    with translated(store.address):
        return list(store.collection("dead_letters").find(matching, sort={"stored_at": -1}, limit=limit))


def letter(store: Store, identity: str) -> Document | None:
    """A dead letter by its `_id`, None where it is not (or no longer) there."""
    with translated(store.address):
        return store.collection("dead_letters").find_one({"_id": {"$eq": identity}})


def holdings(store: Store) -> Holdings:
    """Sizes as the server knows them; raises StoreError where the user may not ask."""
    known = {schema.name for schema in store_schema.load()}
    database = store.open()
    with translated(store.address):
        there = sorted(known & set(database.list_collection_names()))
        found = [_holding(store, name) for name in there]
        whole = database.command("dbStats")
    return Holdings(tuple(found), int(whole.get("fsUsedSize", 0)), int(whole.get("fsTotalSize", 0)))


def _holding(store: Store, name: str) -> Holding:
    collection = store.collection(name)
    [stats] = collection.aggregate([{"$collStats": {"storageStats": {}}}])
    kept = [one["expireAfterSeconds"] for one in collection.list_indexes() if "expireAfterSeconds" in one]
    sizes = stats["storageStats"]
    return Holding(
        name,
        int(sizes["count"]),
        int(sizes["size"]),
        int(sizes["storageSize"]),
        int(sizes["totalIndexSize"]),
        int(kept[0]) if kept and kept[0] < store_schema.FOR_GOOD else None,
    )

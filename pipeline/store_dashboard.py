"""What the web page asks of MongoDB: each question is answered by an index and within a deadline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pymongo

from pipeline import store_queries
from pipeline.store import Store
from pipeline.store_faults import translated

Document = dict[str, Any]
Stages = list[Mapping[str, Any]]

# A sensor that has been silent for longer is not looked at for open alarms, nor more than so many silent ones.
SILENT_SECONDS = 86_400
SILENT_LIMIT = 1000
OPEN_LIMIT = 5000


@dataclass(frozen=True)
class Selection:
    """Which sensor types and locations are meant; none of a kind stands for all of them."""

    types: tuple[str, ...] = ()
    locations: tuple[str | None, ...] = ()

    def named(self, known: Choices) -> Selection:
        """The same choice with both named, for an index gives an order only then; all alone stays as it is."""
        if self == Selection():
            return self
        # What has no location is at None.
        return Selection(self.types or known.types, self.locations or (*known.locations, None))

    def matching(self, prefix: str = "") -> Document:
        """The condition on documents whose fields `<prefix>sensor_type` and `<prefix>location` say what they are."""
        chosen = {"sensor_type": self.types, "location": self.locations}
        return {f"{prefix}{name}": {"$in": list(values)} for name, values in chosen.items() if values}


@dataclass(frozen=True)
class Sensors:
    """How many sensors are known, how many have sent since some instant, and the newest reading's timestamp."""

    known: int
    alive: int
    newest: datetime | None


@dataclass(frozen=True)
class Choices:
    """The sensor types and locations that occur, sorted."""

    types: tuple[str, ...]
    locations: tuple[str, ...]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A deadline for all that is asked in the block, the wait for a server included.

    The server is told how long it may work (maxTimeMS). What comes too late raises StoreUnavailable.
    """
    with pymongo.timeout(seconds):
        yield


def answers(store: Store) -> None:
    """Raise StoreUnavailable unless the server answers."""
    with translated(store.address):
        store.open().command("ping")


def choices(store: Store) -> Choices:
    """The filters that make sense."""
    sensors = store.collection("sensors")
    with translated(store.address):
        found = [sensors.distinct(name) for name in ("sensor_type", "location")]
    types, locations = (tuple(sorted(one for one in values if isinstance(one, str))) for values in found)
    return Choices(types, locations)


def sensors(store: Store, selection: Selection, since: datetime) -> Sensors:
    """The sensors, and those among them whose last reading is no older than `since`."""
    collection = store.collection("sensors")
    with translated(store.address):
        if selection == Selection():
            newest = collection.find_one({}, {"_id": 0, "timestamp": 1}, sort={"timestamp": -1})
            alive = collection.count_documents({"timestamp": {"$gte": since}})
            return Sensors(collection.estimated_document_count(), alive, newest["timestamp"] if newest else None)
        is_alive = {"$cond": [{"$gte": ["$timestamp", since]}, 1, 0]}
        totals = {"known": {"$sum": 1}, "alive": {"$sum": is_alive}, "newest": {"$max": "$timestamp"}}
        found = list(collection.aggregate([{"$match": selection.matching()}, {"$group": {"_id": None, **totals}}]))
    return Sensors(found[0]["known"], found[0]["alive"], found[0]["newest"]) if found else Sensors(0, 0, None)


def series(store: Store, selection: Selection, since: datetime, until: datetime, bin_seconds: float) -> list[Document]:
    """The windows that begin in [since, until), put together by sensor type and time.

    Each has sensor_type, at (the bin's beginning), avg (weighted by count), min, max, count and window_seconds.
    """
    milliseconds = round(1000 * bin_seconds)
    start = {"$toLong": "$window_start"}
    at = {"$toDate": {"$subtract": [start, {"$mod": [start, milliseconds]}]}}
    pipeline: Stages = [
        {"$match": {"window_start": {"$gte": since, "$lt": until}, **selection.matching()}},
        {
            "$group": {
                "_id": {"sensor_type": "$sensor_type", "at": at},
                "weighted": {"$sum": {"$multiply": ["$avg", "$count"]}},
                "count": {"$sum": "$count"},
                "min": {"$min": "$min"},
                "max": {"$max": "$max"},
                "length": {"$max": {"$subtract": ["$window_end", "$window_start"]}},
            }
        },
        {
            "$project": {
                "_id": 0,
                "sensor_type": "$_id.sensor_type",
                "at": "$_id.at",
                "avg": {"$divide": ["$weighted", "$count"]},
                "min": 1,
                "max": 1,
                "count": 1,
                "window_seconds": {"$divide": ["$length", 1000]},
            }
        },
    ]
    with translated(store.address):
        return list(store.collection("windowed_metrics").aggregate(pipeline))


def progress(store: Store, queries: Sequence[str], limit: int) -> dict[str, list[Document]]:
    """What each of the streaming queries did last: at most `limit` batches, the newest first."""
    collection = store.collection("pipeline_progress")
    with translated(store.address):
        return {name: list(collection.find({"query": name}, sort={"at": -1}, limit=limit)) for name in queries}


def totals(store: Store, query_ids: Sequence[str]) -> dict[str, Document]:
    """The counts over all batches by query_id, of the queries that have any."""
    with translated(store.address):
        found = store.collection("pipeline_totals").find({"_id": {"$in": list(query_ids)}})
        return {one["_id"]: one.get("counts", {}) for one in found}


def dead_letters(store: Store) -> int:
    """How many refused messages are stored."""
    with translated(store.address):
        return store.collection("dead_letters").estimated_document_count()


def open_alarms(store: Store, selection: Selection, clear_after: float) -> list[Document]:
    """`_id`, first_seen and worst_priority of the alarms that are active and not acknowledged, newest first.

    Looked at are the alarms of sensors that were heard of within `clear_after` seconds of the newest reading of all,
    and those of up to SILENT_LIMIT sensors that fell silent later than SILENT_SECONDS before it; at most OPEN_LIMIT
    are returned.
    """
    with translated(store.address):
        newest = store.collection("sensors").find_one({}, {"_id": 0, "timestamp": 1}, sort={"timestamp": -1})
        if newest is None:
            return []
        gap = timedelta(seconds=clear_after)
        heard_since = newest["timestamp"] - gap
        recent = heard_since - gap
        wanted = {"_id": 1, "first_seen": 1, "worst_priority": 1}
        of_heard: Stages = [
            {"$match": {"last.at": {"$gte": recent}, "acknowledged": None, **selection.matching("last.")}},
            {"$limit": OPEN_LIMIT},
            *store_queries.with_active(clear_after),
            {"$match": {"active": True}},
            {"$project": wanted},
        ]
        found = list(store.collection("alarms").aggregate(of_heard))
        conditions = [
            {"$eq": ["$sensor_id", "$$sensor"]},
            {"$gte": ["$last.at", "$$since"]},
            {"$lt": ["$last.at", recent]},
        ]
        its_alarms: Stages = [
            {"$match": {"$expr": {"$and": conditions}, "acknowledged": None, **selection.matching("last.")}},
            {"$project": wanted},
        ]
        since = {"$subtract": ["$timestamp", round(1000 * clear_after)]}
        silent_since = newest["timestamp"] - timedelta(seconds=SILENT_SECONDS)
        of_silent: Stages = [
            {"$match": {"timestamp": {"$lt": heard_since, "$gte": silent_since}}},
            {"$sort": {"timestamp": -1}},
            {"$limit": SILENT_LIMIT},
            {
                "$lookup": {
                    "from": "alarms",
                    "let": {"sensor": "$_id", "since": since},
                    "pipeline": its_alarms,
                    "as": "alarm",
                }
            },
            {"$unwind": "$alarm"},
            {"$replaceRoot": {"newRoot": "$alarm"}},
        ]
        found += store.collection("sensors").aggregate(of_silent)
    return sorted(found, key=lambda one: (one["first_seen"], one["_id"]), reverse=True)[:OPEN_LIMIT]


def alarms_by_id(store: Store, identities: Sequence[str], clear_after: float) -> list[Document]:
    """The alarms of those `_id`, newest first, as store_queries.alarms describes them."""
    found = store_queries.alarms(
        store, clear_after, limit=OPEN_LIMIT, matching={"_id": {"$in": list(identities)}}, newest_by="_id"
    )
    return sorted(found, key=lambda one: (one["first_seen"], one["_id"]), reverse=True)


def newest_alarms(store: Store, selection: Selection, known: Choices, clear_after: float, limit: int) -> list[Document]:
    """The alarms that began last, newest first, as store_queries.alarms describes them."""
    return store_queries.alarms(
        store, clear_after, limit=limit, matching=selection.named(known).matching("last."), newest_by="first_seen"
    )

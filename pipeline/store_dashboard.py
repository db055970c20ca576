"""What the web page asks of MongoDB: each question is answered by an index and within a deadline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pymongo

from pipeline.store import Store
from pipeline.store_faults import translated

Document = dict[str, Any]
Stages = list[Mapping[str, Any]]


@dataclass(frozen=True)
class Selection:
    """Which sensor types and locations are meant; none of a kind stands for all of them."""

    types: tuple[str, ...] = ()
    locations: tuple[str | None, ...] = ()

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


STATISTICS: Document = {
    "weighted": {"$sum": {"$multiply": ["$avg", "$count"]}},
    "count": {"$sum": "$count"},
    "min": {"$min": "$min"},
    "max": {"$max": "$max"},
}
SHOWN: Document = {"_id": 0, "avg": {"$divide": ["$weighted", "$count"]}, "min": 1, "max": 1, "count": 1}


def bin_of(instant: str, seconds: int) -> Document:
    """The beginning of the bin that an instant lies in: bins of less than a day count from midnight, UTC."""
    return {"$dateTrunc": {"date": instant, "unit": "second", "binSize": seconds}}


def begun(selection: Selection, since: datetime, until: datetime) -> Document:
    """The stage that takes the windows that begin in [since, until)."""
    return {"$match": {"window_start": {"$gte": since, "$lt": until}, **selection.matching()}}


def by_time(bin_seconds: int) -> Stages:
    """The stages that put windows together by type and time; `series` says what they give."""
    names = {"sensor_type": "$sensor_type", "at": bin_of("$window_start", bin_seconds)}
    length = {"$max": {"$subtract": ["$window_end", "$window_start"]}}
    shown = {name: f"$_id.{name}" for name in names}
    return [
        {"$group": {"_id": names, **STATISTICS, "length": length}},
        {"$project": {**SHOWN, **shown, "window_seconds": {"$divide": ["$length", 1000]}}},
    ]


def series(store: Store, selection: Selection, since: datetime, until: datetime, bin_seconds: int) -> list[Document]:
    """The windows that begin in [since, until), put together by sensor type and time.

    Each has sensor_type, at (the bin's beginning), avg (weighted by count), min, max, count and window_seconds.
    """
    stages: Stages = [begun(selection, since, until), *by_time(bin_seconds)]
    with translated(store.address):
        return list(store.collection("windowed_metrics").aggregate(stages))


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

"""Millions of stored readings as arrays, for those who compare or compute over all of them.

The iterators read in parts, so that memory does not grow, and raise StoreUnavailable when the server goes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
import numpy.typing as npt
from bson import Binary

from pipeline import event_ids, store_ids
from pipeline.store import Document, Store
from pipeline.store_faults import StoreError, translated

_PART = 20_000
# {_id: UUID, timestamp: date} as BSON always writes it: https://bsonspec.org/spec.html
_IDENTITY_AND_TIME = np.dtype(
    [
        ("size", "<i4"),
        ("id_name", "V5"),
        ("id_size", "V5"),
        ("id", "V16"),
        ("time_name", "V11"),
        ("milliseconds", "<i8"),
        ("end", "V1"),
    ]
)


@dataclass(frozen=True)
class Identities:
    """Some readings of a run, an element each: sequence, sensor's number, and timestamp in ms since 1970."""

    sequences: npt.NDArray[np.int64]
    sensors: npt.NDArray[np.int64]
    instants: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measurements:
    """Some readings, an element each: timestamp in ms since 1970, type, location (or None), value, whether marked."""

    instants: npt.NDArray[np.int64]
    sensor_types: list[str]
    locations: list[str | None]
    values: npt.NDArray[np.float64]
    marked: npt.NDArray[np.bool_]


def identities_of_run(store: Store, run: str) -> Iterator[Identities]:
    """Every stored reading of a producer's run, in parts, by sequence and sensor.

    Raises StoreError for a document that is no reading.
    """
    first, last = store_ids.run_range(run)
    with translated(store.address):
        # Decoded here in one go: one document after the other would take several times as long.
        found = store.collection("sensor_metrics").find_raw_batches(
            {"_id": {"$gte": first, "$lte": last}},
            {"_id": 1, "timestamp": 1},
            sort={"_id": 1},
            hint="_id_",
            batch_size=_PART,
        )
        with found:
            for batch in found:
                # PyMongo's own type hint promises documents here.
                yield _identities(cast(bytes, batch))


def _identities(batch: bytes) -> Identities:
    size = _IDENTITY_AND_TIME.itemsize
    table = np.frombuffer(batch, _IDENTITY_AND_TIME) if len(batch) % size == 0 else None
    if table is None or (table["size"] != size).any():
        raise StoreError("sensor_metrics holds a document without a timestamp: it was not stored by this pipeline")
    sequences, sensors = event_ids.decode_many(table["id"].tobytes())
    return Identities(sequences, sensors, table["milliseconds"])


def measurements_between(
    store: Store, since: datetime, until: datetime, marks: Iterable[str] = ()
) -> Iterator[Measurements]:
    """The readings with since ≤ timestamp < until, in parts, by their time; `marks` are event_ids."""
    marked = {store_ids.reading_id(event_id) for event_id in marks}
    # A float is decoded many times faster than a datetime, and an _id that nobody asks for would cost as much again.
    fields = {
        "_id": 1 if marked else 0,
        "milliseconds": {"$toDouble": "$timestamp"},
        **dict.fromkeys(("sensor_type", "location", "value"), 1),
    }
    with translated(store.address):
        found = store.collection("sensor_metrics").find(
            {"timestamp": {"$gte": since, "$lt": until}}, fields, sort={"timestamp": 1}, batch_size=_PART
        )
        with found:
            part: list[Document] = []
            for document in found:
                part.append(document)
                if len(part) == _PART:
                    yield _measurements(part, marked)
                    part = []
            if part:
                yield _measurements(part, marked)


def _measurements(documents: list[Document], marked: set[Binary]) -> Measurements:
    return Measurements(
        instants=np.array([one["milliseconds"] for one in documents]).astype(np.int64),
        sensor_types=[one["sensor_type"] for one in documents],
        locations=[one.get("location") for one in documents],
        values=np.array([one["value"] for one in documents], dtype=np.float64),
        marked=np.array([one["_id"] in marked for one in documents] if marked else np.zeros(len(documents)), np.bool_),
    )

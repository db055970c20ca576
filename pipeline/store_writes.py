"""Writes that may be repeated: the same records again change nothing, in whatever order and parts they come.

Each function takes the records of one partition (see store_documents.py) and writes them in batches, in whatever
process it is called. Records that cannot be stored are handed back in `Written.refused`, the others are stored.
Raises StoreUnavailable in an outage and StoreError when the server refuses the work; all of it is to be written again
then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from pymongo import UpdateOne

from pipeline import store_bulk, store_documents, store_ids
from pipeline.store import Store
from pipeline.store_bulk import Refused, Written
from pipeline.store_documents import Arrival, Record
from pipeline.store_faults import Patience, translated

log = logging.getLogger(__name__)

Document = dict[str, Any]
T = TypeVar("T")
_SENSORS_HELD = 10_000
# The later one of two documents of a sensor, as store_bulk.merge takes it.
_NEWEST: Document = {
    "$cond": [
        {"$gt": [["$$new.timestamp", "$$new.event_id"], ["$$ROOT.timestamp", "$$ROOT.event_id"]]},
        "$$new",
        "$$ROOT",
    ]
}
_NOT_A_DOCUMENT = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def utc_now() -> datetime:
    """This machine's clock, in the whole milliseconds that MongoDB keeps."""
    return store_documents.instant(datetime.now(UTC))


@dataclass(frozen=True)
class Manner:
    """How to write: records in a batch, what to do in a passing fault, and the clock behind stored_at."""

    batch: int = 2000
    patience: Patience = field(default_factory=Patience)
    now: Callable[[], datetime] = utc_now


USUAL = Manner()


@dataclass
class ReadingsWriter:
    """Writes readings part by part, and at the end brings each sensor's last reading up to date.

    A record has the fields of a reading, and partition, offset and kafka_timestamp; another `to_document` takes other
    records. What is stored stays: a second reading of one event_id is the first one come twice. Memory grows with a
    part, and with 10,000 sensors at most.
    """

    store: Store
    manner: Manner = USUAL
    to_document: Callable[[Any, datetime], Document] = store_documents.reading
    _newest: dict[str, Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._inserter = Inserter(self.store, "sensor_metrics", self.to_document, self.manner)

    def insert(self, records: Sequence[Any]) -> Written:
        """Insert readings that are not there yet, in one go."""
        readings, written = self._inserter.insert(records)
        newest = self._newest
        for reading in readings:
            before = newest.get(reading["sensor_id"])
            # Where MongoDB's milliseconds are the same, the event_id decides, here and in _NEWEST.
            if (
                before is None
                or reading["timestamp"] > before["timestamp"]
                or (reading["timestamp"] == before["timestamp"] and reading["_id"] > before["_id"])
            ):
                newest[reading["sensor_id"]] = reading
        if len(newest) > _SENSORS_HELD:
            self.finish()
        return written

    def finish(self) -> None:
        """Note the last reading of each sensor that was inserted; those that were known count as well."""
        newest, self._newest = self._newest, {}
        for sensors in batches((store_documents.sensor(one) for one in newest.values()), self.manner.batch):
            with translated(self.store.address):
                reasons = store_bulk.merge(self.store.collection("sensors"), sensors, _NEWEST, self.manner.patience)
            for position, reason in reasons.items():
                log.warning("the last reading of %s is not kept: %s", sensors[position]["_id"], reason)


def come_again(store: Store, there: Sequence[Arrival], manner: Manner = USUAL) -> list[Arrival]:
    """Those of the arrivals that `ReadingsWriter.insert` found `there` which stood elsewhere on the topic.

    The others are stored from the same record: it is read a second time. Raises as the writes do.
    """
    if not there:
        return []
    identities = [store_ids.judged_id(one.reading.event_id) for one in there]
    with translated(store.address):
        found = manner.patience.run(
            lambda: store_bulk.present(store.collection("sensor_metrics"), identities, *store_documents.PLACE)
        )
    return [
        one
        for one, identity in zip(there, identities, strict=True)
        if store_documents.place(one) != tuple(found.get(identity, {}).get(name) for name in store_documents.PLACE)
    ]


def write_readings(store: Store, records: Iterable[Record], manner: Manner = USUAL) -> Written:
    """Write readings (see ReadingsWriter) in parts, and the last one of each sensor."""
    writer, written = ReadingsWriter(store, manner), Written()
    for part in batches(records, manner.batch):
        written.add(writer.insert(part))
    writer.finish()
    return written


def write_windows(store: Store, records: Iterable[Record], manner: Manner = USUAL) -> Written:
    """Upsert the statistics of windows: what was known of a window before is replaced, but for its stored_at.

    A record has window_start, window_end, sensor_type, location, count, avg, min, max and std. Of several records of
    one window the last one counts.
    """
    written = Written()
    for part in batches(records, manner.batch):
        latest: dict[str, tuple[Document, Mapping[str, Any]]] = {}
        for record in part:
            try:
                document = store_documents.window(record)
            except _NOT_A_DOCUMENT as error:
                written.refused.append(_not_a_document(record, error))
                continue
            latest[document.pop("_id")] = document, record
        stored_at = manner.now()
        operations = [
            UpdateOne({"_id": identity}, {"$set": document, "$setOnInsert": {"stored_at": stored_at}}, upsert=True)
            for identity, (document, _) in latest.items()
        ]
        with translated(store.address):
            reasons = store_bulk.change(store.collection("windowed_metrics"), operations, manner.patience)
        written.stored += len(latest) - len(reasons)
        origins = [record for _, record in latest.values()]
        written.refused += [Refused(origins[position], reason) for position, reason in reasons.items()]
    return written


def write_dead_letters(store: Store, records: Iterable[Record], manner: Manner = USUAL) -> Written:
    """Insert refused messages that are not there yet.

    A record has topic, partition, offset, code, reason, and perhaps key and value (bytes), retry_count and
    kafka_timestamp.
    """
    inserter, written = Inserter(store, "dead_letters", store_documents.dead_letter, manner), Written()
    for part in batches(records, manner.batch):
        written.add(inserter.insert(part)[1])
    return written


@dataclass
class Inserter:
    """Inserts records, made into documents by `to_document`, that a collection does not have yet."""

    store: Store
    collection: str
    to_document: Callable[[Any, datetime], Document]
    manner: Manner
    _look_first: bool = False

    def insert(self, records: Sequence[Any]) -> tuple[list[Document], Written]:
        """The documents that are there now, and what was done."""
        written = Written()
        seen: set[Any] = set()
        documents, origins, repeated = [], [], []
        stored_at = store_documents.without_zone(self.manner.now())
        for record in records:
            try:
                document = self.to_document(record, stored_at)
            except _NOT_A_DOCUMENT as error:
                written.refused.append(_not_a_document(record, error))
                continue
            identity = document["_id"]
            # BSON's Binary computes its hash in Python.
            key = identity.hex() if isinstance(identity, bytes) else identity
            if key not in seen:
                seen.add(key)
                documents.append(document)
                origins.append(record)
            else:
                repeated.append(record)
        with translated(self.store.address):
            known, reasons = store_bulk.insert_new(
                self.store.collection(self.collection),
                documents,
                self.manner.patience,
                look_first=self._look_first,
            )
        # Where some came before, more of the same will follow: a batch is being replayed.
        self._look_first = bool(known)
        written.refused += [Refused(origins[position], reason) for position, reason in reasons.items()]
        written.stored = len(documents) - len(known) - len(reasons)
        written.there = [*(origins[position] for position in known), *repeated]
        written.known = len(written.there)
        if not reasons:
            return documents, written
        return [one for position, one in enumerate(documents) if position not in reasons], written


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _not_a_document(record: Any, error: Exception) -> Refused:
    missing = isinstance(error, KeyError)
    return Refused(record, f"the field {error} is missing" if missing else f"{type(error).__name__}: {error}")

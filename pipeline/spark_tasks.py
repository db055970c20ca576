"""What Spark's tasks do with their rows, whole Arrow batches at a time: judge records, and write to MongoDB.

The functions run in the executors' Python, where the codec is quicker than Spark's own functions would be. Those that
write hand back one row for each batch, with what was done, instead of raising: the driver decides whether to wait for
MongoDB or to end.
"""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache, partial
from typing import Any, ClassVar

import pyarrow as pa
from msgspec import structs
from pyspark import TaskContext

from pipeline import latency, latency_counts, store_documents, store_writes
from pipeline.events import Alert, RefusedMessage, SensorReading, decode_readings
from pipeline.refusals import Refusal
from pipeline.rules import Rule, Watch
from pipeline.store import Store
from pipeline.store_alarms import AlertsWriter
from pipeline.store_bulk import Refused, Written
from pipeline.store_documents import Arrival
from pipeline.store_faults import StoreError, StoreUnavailable
from pipeline.store_writes import ReadingsWriter

Rows = Iterator[pa.RecordBatch]
Row = dict[str, Any]
# What became of a record: the reading in it and its time, or why it is refused.
Judged = tuple[SensorReading, datetime] | RefusedMessage
# An alert, still without `detected_at`, and its reading's time.
Raised = tuple[Alert, datetime]

# How far the workers of readings and windows step back, as nice(1) has it: 0 is usual, 19 the farthest.
NICENESS = 5


@dataclass
class Outcome:
    """What became of rows: counts of documents, and the sentence of an outage or of an error, or neither.

    `details` are counts within counts as JSON: `refused_by_code`, and the `latency` of what was stored (latency.py).
    """

    stored: int = 0
    known: int = 0
    refused: int = 0
    alerts: int = 0
    outage: str | None = None
    error: str | None = None
    details: str | None = None

    def add(self, other: Outcome) -> None:
        """Count another part as well."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outage = self.outage or other.outage
        self.error = self.error or other.error
        if other.details:
            both = latency.added(self.counts_within(), other.counts_within())
            self.details = json.dumps(both)

    def counts(self) -> dict[str, int]:
        """The counts of documents by their name."""
        return {name: getattr(self, name) for name in COUNTS}

    def counts_within(self) -> dict[str, Any]:
        """The details, read."""
        return json.loads(self.details) if self.details else {}


COUNTS = ("stored", "known", "refused", "alerts")
# The outcome as the rows that a task hands back.
SCHEMA = ", ".join(f"{one.name} {'long' if one.name in COUNTS else 'string'}" for one in fields(Outcome))


@cache
def settle() -> None:
    """To be called by each task: what is loaded by then is taken out of what the worker's collector looks through.

    Spark's worker has it look for cycles after every task, for 45 ms in the libraries alone: at a thousand readings a
    second that was half of what Python needed.
    """
    # Once: to ask Python how much is frozen takes 7 ms, for it counts one by one.
    gc.freeze()


def give_way() -> None:
    """To be called by each task that can wait: where cores are short, alerts in real time come first.

    Without effect outside Spark's tasks, whose workers are processes of their own.
    """
    if TaskContext.get() is not None:
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Around what a task does with thousands of dicts: settled, behind alerts, and without Python's collector.

    There is no cycle among them, and it would look through them again and again.
    """
    settle()
    give_way()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def judged(batch: pa.RecordBatch, max_ahead: float) -> list[Judged]:
    """The records of a batch (`transforms.records`), judged one by one."""
    values, times = (batch.column(name).to_pylist() for name in ("value", "kafka_timestamp"))
    return list(decode_readings(zip(values, times, strict=True), max_ahead))


def raised(found: Iterable[Judged], watch: Watch) -> list[Raised]:
    """The alerts of all readings among judged records."""
    return [
        (alert, one[1]) for one in found if not isinstance(one, RefusedMessage) for alert in watch.alerts(one[0], "")
    ]


MEASUREMENTS = "timestamp timestamp, sensor_type string, location string, value double"


@dataclass(frozen=True)
class MeasurementsTask:
    """Makes value and kafka_timestamp of records (`transforms.records`) into rows of `SCHEMA`: what windows need.

    What is refused is left out. A reading more than `max_ahead` seconds after its record's Kafka timestamp is refused.
    """

    max_ahead: float

    SCHEMA: ClassVar[str] = f"event_id string, {MEASUREMENTS}"

    def __call__(self, batches: Rows) -> Rows:
        """Judge the records of a partition."""
        settle()
        give_way()
        for batch in batches:
            kept = [one for one in judged(batch, self.max_ahead) if not isinstance(one, RefusedMessage)]
            ids = pa.array([one.event_id for one, _ in kept], pa.string())
            yield pa.RecordBatch.from_pydict({"event_id": ids, **measurements(kept)})


def measurements(kept: Sequence[tuple[SensorReading, datetime]]) -> dict[str, pa.Array]:
    """The columns of `MEASUREMENTS`, with a row for each reading."""
    return {
        "timestamp": pa.array([moment for _, moment in kept], pa.timestamp("us", "UTC")),
        "sensor_type": pa.array([one.sensor_type for one, _ in kept], pa.string()),
        "location": pa.array([one.location for one, _ in kept], pa.string()),
        "value": pa.array([one.value for one, _ in kept], pa.float64()),
    }


@dataclass(frozen=True)
class ReadingsTask:
    """Judges records (`transforms.records`) and writes them: readings, their alerts, and what is refused."""

    store: Store
    rules: Sequence[Rule]
    clear_after: float
    max_ahead: float
    now: Callable[[], datetime] = store_writes.utc_now

    def __call__(self, batches: Rows) -> Rows:
        """Judge and write the records of a partition."""
        work, watch = ReadingsWork(self), Watch(self.rules)

        def write(batch: pa.RecordBatch) -> Outcome:
            found = judged(batch, self.max_ahead)
            return work.write(batch, found, raised(found, watch))[0]

        return _guarded(write, batches, work.end)


class ReadingsWork:
    """The records of one partition, written batch by batch; what may wait is written at the `end`."""

    def __init__(self, task: ReadingsTask) -> None:
        self._store, self._now = task.store, task.now
        self._readings = ReadingsWriter(task.store, to_document=store_documents.arrived)
        self._alerts = AlertsWriter(task.store, task.clear_after)

    def end(self) -> Outcome:
        """Bring sensors and alarms up to date."""
        self._readings.finish()
        self._alerts.finish()
        return Outcome()

    def write(
        self, batch: pa.RecordBatch, found: Iterable[Judged], raised_alerts: Iterable[Raised]
    ) -> tuple[Outcome, Written]:
        """Write a batch of records, each with its judgement, and their alerts; and what became of the readings.

        Raises StoreUnavailable and StoreError.
        """
        received = self._now()
        arrivals, letters = [], []
        partitions, offsets, times = (
            batch.column(name).to_pylist() for name in ("partition", "offset", "kafka_timestamp")
        )
        for position, one in enumerate(found):
            if isinstance(one, RefusedMessage):
                letters.append(_letter(batch, position, one.code, one.sentence))
                continue
            arrivals.append(Arrival(*one, position, partitions[position], offsets[position], times[position]))
        alerts = [
            {**structs.asdict(alert), "timestamp": moment, "detected_at": received} for alert, moment in raised_alerts
        ]
        written = self._readings.insert(arrivals)
        for refused in written.refused:
            reason = f"MongoDB does not take it: {refused.reason}"
            letters.append(_letter(batch, refused.record.position, Refusal.NOT_STORABLE, reason))
        outcome = Outcome(written.stored, written.known, refused=len(letters), alerts=len(alerts))
        within: Row = {}
        # What was all there before is read a second time: how long that took since says nothing.
        if written.stored:
            within["latency"] = _legs(arrivals, written.refused, received, self._now())
        if letters:
            within["refused_by_code"] = Counter(one["code"] for one in letters)
        outcome.details = json.dumps(within) if within else None
        if alerts:
            _require_whole(self._alerts.insert(alerts))
        if letters:
            _require_whole(store_writes.write_dead_letters(self._store, letters))
        return outcome, written


@dataclass(frozen=True)
class WindowsTask:
    """Writes rows of windows, with instants as milliseconds since 1970."""

    store: Store

    def __call__(self, batches: Rows) -> Rows:
        """Write the rows of a partition."""
        return _guarded(self._write, batches)

    def _write(self, batch: pa.RecordBatch) -> Outcome:
        written = store_writes.write_windows(self.store, batch.to_pylist())
        _require_whole(written)
        return Outcome(stored=written.stored)


def _guarded(write: Callable[[pa.RecordBatch], Outcome], batches: Rows, end: Callable[[], Outcome] = Outcome) -> Rows:
    """One outcome for each batch, that of the `end` with the last one's.

    After an outage or an error the rest is left: all of it is to be written again.
    """
    last: Outcome | None = None
    with undisturbed():
        for batch in batches:
            if last:
                yield _told(last)
            last = _tried(partial(write, batch))
            if last.outage or last.error:
                break
        if last:
            if not last.outage and not last.error:
                last.add(_tried(end))
            yield _told(last)


def _tried(work: Callable[[], Outcome]) -> Outcome:
    try:
        return work()
    except StoreUnavailable as outage:
        return Outcome(outage=str(outage))
    except StoreError as error:
        return Outcome(error=str(error))


def _told(outcome: Outcome) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([vars(outcome)], schema=_ARROW_SCHEMA)


_ARROW_SCHEMA = pa.schema([(one.name, pa.int64() if one.name in COUNTS else pa.string()) for one in fields(Outcome)])


def _legs(arrivals: list[Arrival], refused: list[Refused], received: datetime, stored: datetime) -> Row:
    not_there = {one.record.position for one in refused}
    there = [one for one in arrivals if one.position not in not_there] if refused else arrivals
    instants = (round(1000 * one.timestamp()) for one in (received, stored))
    return latency_counts.legs([one.timestamp for one in there], [one.kafka_timestamp for one in there], *instants)


def _letter(batch: pa.RecordBatch, position: int, code: Refusal, reason: str) -> Row:
    """The record of a batch that is refused, such as for a field name that MongoDB forbids, and why."""
    return {**batch.slice(position, 1).to_pylist()[0], "code": str(code), "reason": reason}


def _require_whole(written: Written) -> None:
    for one in written.refused:
        raise StoreError(f"MongoDB does not take what we made: {one.reason}; see that mongo-schema.json is ours")

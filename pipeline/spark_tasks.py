"""What Spark's tasks do with their rows, whole Arrow batches at a time: judge records, and write to MongoDB.

The functions run in the executors' Python, where the codec is quicker than Spark's own functions would be. Those that
write hand back one row for each batch, with what was done, instead of raising: the driver decides whether to wait for
MongoDB or to end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

import pyarrow as pa
from msgspec import structs

from pipeline import latency, rules, store_alarms, store_writes
from pipeline.events import RefusedMessage, decode_reading
from pipeline.refusals import Refusal
from pipeline.rules import Rule
from pipeline.store import Store
from pipeline.store_bulk import Refused, Written
from pipeline.store_faults import StoreError, StoreUnavailable

Rows = Iterator[pa.RecordBatch]
Row = dict[str, Any]


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


@dataclass(frozen=True)
class MeasurementsTask:
    """Makes value and kafka_timestamp of records (`transforms.records`) into rows of `SCHEMA`: what windows need.

    What is refused is left out. A reading more than `max_ahead` seconds after its record's Kafka timestamp is refused.
    """

    max_ahead: float

    SCHEMA: ClassVar[str] = "event_id string, timestamp timestamp, sensor_type string, location string, value double"

    def __call__(self, batches: Rows) -> Rows:
        """Judge the records of a partition."""
        return map(self._measurements, batches)

    def _measurements(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        found = []
        values, times = (batch.column(name).to_pylist() for name in ("value", "kafka_timestamp"))
        for value, time in zip(values, times, strict=True):
            with suppress(RefusedMessage):
                found.append(decode_reading(value, kafka_timestamp_ms=time, max_ahead=self.max_ahead))
        columns = {
            "event_id": pa.array([one.event_id for one in found], pa.string()),
            "timestamp": pa.array([one.event_time for one in found], pa.timestamp("us", "UTC")),
            "sensor_type": pa.array([one.sensor_type for one in found], pa.string()),
            "location": pa.array([one.location for one in found], pa.string()),
            "value": pa.array([one.value for one in found], pa.float64()),
        }
        return pa.RecordBatch.from_pydict(columns)


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
        return _guarded(self._write, batches)

    def _write(self, rows: list[Row]) -> Outcome:
        received = self.now()
        readings, alerts, letters = [], [], []
        for row in rows:
            try:
                reading = decode_reading(
                    row["value"], kafka_timestamp_ms=row["kafka_timestamp"], max_ahead=self.max_ahead
                )
            except RefusedMessage as refused:
                letters.append({**row, "code": str(refused.code), "reason": refused.sentence})
                continue
            moment = reading.event_time
            readings.append({**row, "content": row["value"], **structs.asdict(reading), "timestamp": moment})
            for alert in rules.alerts(self.rules, reading, ""):
                alerts.append({**structs.asdict(alert), "timestamp": moment, "detected_at": self.now()})
        written = store_writes.write_readings(self.store, readings)
        letters += [_not_storable(one) for one in written.refused]
        outcome = Outcome(written.stored, written.known, refused=len(letters), alerts=len(alerts))
        within: Row = {}
        # What was all there before is read a second time: how long that took since says nothing.
        if written.stored:
            within["latency"] = _legs(readings, written.refused, received, self.now())
        if letters:
            within["refused_by_code"] = Counter(one["code"] for one in letters)
        outcome.details = json.dumps(within) if within else None
        if alerts:
            _require_whole(store_alarms.write_alerts(self.store, alerts, self.clear_after))
        if letters:
            _require_whole(store_writes.write_dead_letters(self.store, letters))
        return outcome


@dataclass(frozen=True)
class WindowsTask:
    """Writes rows of windows, with instants as milliseconds since 1970."""

    store: Store

    def __call__(self, batches: Rows) -> Rows:
        """Write the rows of a partition."""
        return _guarded(self._write, batches)

    def _write(self, rows: list[Row]) -> Outcome:
        written = store_writes.write_windows(self.store, rows)
        _require_whole(written)
        return Outcome(stored=written.stored)


def _guarded(write: Callable[[list[Row]], Outcome], batches: Rows) -> Rows:
    """One outcome for each batch; after an outage or an error the rest is left: all of it is to be written again."""
    for batch in batches:
        try:
            outcome = write(batch.to_pylist())
        except StoreUnavailable as outage:
            outcome = Outcome(outage=str(outage))
        except StoreError as error:
            outcome = Outcome(error=str(error))
        yield pa.RecordBatch.from_pylist([vars(outcome)], schema=_ARROW_SCHEMA)
        if outcome.outage or outcome.error:
            return


_ARROW_SCHEMA = pa.schema([(one.name, pa.int64() if one.name in COUNTS else pa.string()) for one in fields(Outcome)])


def _legs(readings: list[Row], refused: list[Refused], received: datetime, stored: datetime) -> Row:
    not_there = {id(one.record) for one in refused}
    there = [one for one in readings if id(one) not in not_there]
    instants = (round(1000 * one.timestamp()) for one in (received, stored))
    return latency.legs([one["timestamp"] for one in there], [one["kafka_timestamp"] for one in there], *instants)


def _not_storable(refused: Refused) -> Row:
    """The dead letter of a reading that MongoDB does not take, such as one with a field name that it forbids."""
    row = refused.record
    return {
        **row,
        "value": row["content"],
        "code": Refusal.NOT_STORABLE.value,
        "reason": f"MongoDB does not take it: {refused.reason}",
    }


def _require_whole(written: Written) -> None:
    for one in written.refused:
        raise StoreError(f"MongoDB does not take what we made: {one.reason}; see that mongo-schema.json is ours")

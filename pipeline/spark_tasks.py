"""What Spark's tasks do with their rows: write them to MongoDB, whole Arrow batches at a time.

The functions run in the executors' Python. They hand back one row for each batch, with what was done, instead of
raising: the driver decides whether to wait for MongoDB or to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import pyarrow as pa

from pipeline import store_alarms, store_writes
from pipeline.refusals import Refusal
from pipeline.store import Store
from pipeline.store_bulk import Refused, Written
from pipeline.store_faults import StoreError, StoreUnavailable

Rows = Iterator[pa.RecordBatch]
Row = dict[str, Any]

_CONTENT = ("event_id", "timestamp", "sensor_id", "sensor_type", "value", "unit", "location", "status", "metadata")


@dataclass
class Outcome:
    """What became of rows: counts of documents, and the sentence of an outage or of an error, or neither."""

    stored: int = 0
    known: int = 0
    refused: int = 0
    alerts: int = 0
    outage: str | None = None
    error: str | None = None

    def add(self, other: Outcome) -> None:
        """Count another part as well."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outage = self.outage or other.outage
        self.error = self.error or other.error


COUNTS = ("stored", "known", "refused", "alerts")
# The outcome as the rows that a task hands back.
SCHEMA = ", ".join(f"{one.name} {'long' if one.name in COUNTS else 'string'}" for one in fields(Outcome))


@dataclass(frozen=True)
class ReadingsTask:
    """Writes parsed rows: readings, their alerts, and what is refused.

    A row has the columns of `transforms.stored`.
    """

    store: Store
    clear_after: float

    def __call__(self, batches: Rows) -> Rows:
        """Write the rows of a partition."""
        return _guarded(self._write, batches)

    def _write(self, rows: list[Row]) -> Outcome:
        letters = [{**row, "value": row["content"]} for row in rows if row["code"] is not None]
        readings = [_reading(row) for row in rows if row["code"] is None]
        alerts = [alert for row in rows for alert in row["alerts"] or ()]
        written = store_writes.write_readings(self.store, readings)
        letters += [_not_storable(one) for one in written.refused]
        outcome = Outcome(written.stored, written.known, refused=len(letters), alerts=len(alerts))
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


def _reading(row: Row) -> Row:
    if row["metadata"] is not None:
        row["metadata"] = msgspec.json.decode(row["metadata"])
    return row


def _not_storable(refused: Refused) -> Row:
    """The dead letter of a reading that MongoDB does not take, such as one with a field name that it forbids."""
    row = refused.record
    content = {name: row[name] for name in _CONTENT if row[name] is not None}
    return {
        **{name: row[name] for name in ("topic", "partition", "offset", "key", "retry_count", "kafka_timestamp")},
        "value": msgspec.json.encode(content),
        "code": Refusal.NOT_STORABLE.value,
        "reason": f"MongoDB does not take it: {refused.reason}",
    }


def _require_whole(written: Written) -> None:
    for one in written.refused:
        raise StoreError(f"MongoDB does not take what we made: {one.reason}; see that mongo-schema.json is ours")

"""The queries' progress: out of Spark's reports, to MongoDB and the log."""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pipeline import store_progress
from pipeline.store import Store
from pipeline.store_faults import Patience, StoreError, StoreUnavailable
from pipeline.store_writes import Manner

log = logging.getLogger(__name__)

# Figures of an outage are written later; older ones than these are given up.
_WAITING = 1000
_ONCE = Manner(patience=Patience(attempts=1))

Document = dict[str, Any]

_OF_STATE = frozenset(("late", "duplicates", "state_rows", "state_bytes"))


def figures(report: Mapping[str, Any], *, counts_state: bool = True) -> Document:
    """A report of Spark (StreamingQueryProgress as JSON) as the document that pipeline_progress keeps.

    `rows` is the records of the batch, `batch_seconds` its time and `phases` what Spark spent it on, in seconds;
    `lag` is how many records are left for the batches to come, and `waiting_by_partition` how many there were before
    this one, those that it read included, as Kafka's own tools tell a group's lag. `late` is how many the watermark
    dropped, `duplicates` how many came a second time, and `state_bytes` the memory of the state. `rows_per_second` is
    while at work, `input_rows_per_second` since the batch before. `watermark` is missing where a query has none, or
    none yet, and `state_rows` where Spark does not count them.
    """
    lags = _distances(report["sources"], "endOffset")
    operators = report.get("stateOperators", ())
    document = {
        "query": report["name"],
        "query_id": report["id"],
        "batch_id": report["batchId"],
        "at": datetime.fromisoformat(report["timestamp"]).astimezone(UTC),
        "state": "running",
        "rows": report["numInputRows"],
        "rows_per_second": report.get("processedRowsPerSecond") or 0.0,
        "input_rows_per_second": report.get("inputRowsPerSecond") or 0.0,
        "batch_seconds": report["durationMs"].get("triggerExecution", report.get("batchDuration", 0)) / 1000,
        "lag": sum(lags.values()),
        "lag_by_partition": lags,
        "waiting_by_partition": _distances(report["sources"], "startOffset"),
        "late": sum(one.get("numRowsDroppedByWatermark", 0) for one in operators),
        "duplicates": sum(one.get("customMetrics", {}).get("numDroppedDuplicateRows", 0) for one in operators),
        "state_bytes": sum(one.get("memoryUsedBytes", 0) for one in operators),
        "phases": _phases(report["durationMs"]),
    }
    if counts_state:
        document["state_rows"] = sum(one.get("numRowsTotal", 0) for one in operators)
    watermark = report.get("eventTime", {}).get("watermark")
    # Spark calls the beginning of 1970 what is not known yet.
    if watermark and not watermark.startswith("1970-01-01T00:00:00"):
        document["watermark"] = datetime.fromisoformat(watermark)
    return document


def shared_id(query_id: str, name: str) -> str:
    """The id of a query whose work another one does, which is its own when it goes on by itself."""
    return str(uuid.uuid5(uuid.UUID(query_id), name))


def share(document: Mapping[str, Any], name: str) -> Document:
    """What `figures` would say of another query whose work is done in the same batches, which has no state."""
    shared = {**document, "query": name, "query_id": shared_id(document["query_id"], name)}
    shared.pop("watermark", None)
    return {one: 0 if one in _OF_STATE else value for one, value in shared.items()}


def _phases(durations: Mapping[str, int]) -> dict[str, float]:
    """What took any time, without the whole."""
    return {name: took / 1000 for name, took in durations.items() if took and name != "triggerExecution"}


def _distances(sources: list[Mapping[str, Any]], name: str) -> dict[str, int]:
    """How many records each partition holds beyond the offsets of that name, by the partition's number."""
    lags: dict[str, int] = {}
    for source in sources:
        end, latest = _offsets(source.get(name)), _offsets(source.get("latestOffset"))
        for topic, partitions in latest.items():
            for number, offset in partitions.items():
                lags[number] = max(0, offset - end.get(topic, {}).get(number, offset))
    return lags


def _offsets(value: Any) -> dict[str, dict[str, int]]:
    found = json.loads(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else {}


class ProgressLog:
    """Writes progress to MongoDB, keeping it while the server is away, and says on the log what people should know."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[tuple[Document, dict[str, int]]] = deque(maxlen=_WAITING)
        self._late = 0

    def add(self, document: Document, counts: Mapping[str, int]) -> None:
        """Keep the progress of a batch, and what it counted."""
        counts = {**counts, **({"late": document["late"]} if document.get("late") else {})}
        log.debug("progress of %(query)s: batch %(batch_id)s, %(rows)s rows in %(batch_seconds)s s", document)
        if document.get("late"):
            self._late += document["late"]
            log.warning(
                "%d readings came later than the watermark allows: they are stored, but count in no window "
                "(%d since the start)",
                document["late"],
                self._late,
            )
        if counts.get("refused"):
            log.warning("%d messages were refused; see them with 'consumer.py --dead-letters'", counts["refused"])
        self._waiting.append(({**document, **counts}, dict(counts)))
        self.flush()

    def sign_of_life(self, document: Mapping[str, Any]) -> None:
        """Say that a query is at work, or waiting, on a batch that it has not reported yet; MongoDB may be away."""
        with suppress(StoreError):
            store_progress.write_progress(self._store, {**document, "at": datetime.now(UTC)}, {}, _ONCE)

    def flush(self) -> None:
        """Write what waits, as far as MongoDB takes it."""
        while self._waiting:
            try:
                store_progress.write_progress(self._store, *self._waiting[0], _ONCE)
            except StoreUnavailable:
                return
            except StoreError as error:
                log.warning("%s", error)
            self._waiting.popleft()

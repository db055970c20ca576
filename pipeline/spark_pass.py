"""What is done with a record in one pass: it is read and judged once, where several queries would each do that.

A micro-batch's records are stored, in a backlog their alerts and dead letters sent, and the measurements of the
readings handed on to the windows, but for those that came a second time: MongoDB has their id. What became of them
travels in a column of its own, and comes to the driver with Spark's report of the batch.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pyspark import TaskContext

from pipeline import latency, store_writes
from pipeline.broker import Connection
from pipeline.events import RefusedMessage, SensorReading
from pipeline.rules import Watch
from pipeline.spark_errors import TaskError, TaskOutage
from pipeline.spark_outbox import Outbox
from pipeline.spark_router import RouterTask
from pipeline.spark_tasks import (
    MEASUREMENTS,
    Judged,
    Outcome,
    ReadingsTask,
    ReadingsWork,
    Rows,
    judged,
    measurements,
    raised,
    undisturbed,
)
from pipeline.store_bulk import Written
from pipeline.store_faults import StoreError, StoreUnavailable

# The name under which Spark reports what was done, and the column in it.
OBSERVED, OUTCOMES = "pass", "outcomes"
# So many ends of windows a task tells at most.
MOST_ENDS = 1000


@dataclass
class Done:
    """What a pass did: the `outcome` for the readings, how many came a second time, and which windows the others need.

    `ends` counts readings by the end of the first window that each is in, milliseconds since 1970 as text. `partition`
    and `at` (seconds since 1970) say which task did it, and when.
    """

    outcome: Outcome = field(default_factory=Outcome)
    duplicates: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    partition: int = 0
    at: float = 0.0

    @classmethod
    def of(cls, text: str) -> Done:
        """What `text` says."""
        told = json.loads(text)
        return cls(**{**told, "outcome": Outcome(**told["outcome"]), "ends": Counter(told["ends"])})

    def text(self) -> str:
        """All of it in JSON."""
        return json.dumps({**vars(self), "outcome": vars(self.outcome)})

    def add(self, other: Done) -> None:
        """Count another part as well."""
        self.outcome.add(other.outcome)
        self.duplicates += other.duplicates
        self.ends.update(other.ends)

    def after(self, before: Done) -> Done:
        """What a task has done that was done before, in an attempt of which not all came to its end."""
        first, outcome = before.outcome, replace(self.outcome)
        outcome.stored += first.stored
        outcome.known -= first.stored
        latencies = (one.counts_within().get("latency", {}) for one in (first, outcome))
        outcome.details = json.dumps({**outcome.counts_within(), "latency": latency.added(*latencies)})
        return replace(self, outcome=outcome)

    def counted(self, watermark: datetime | None) -> dict[str, int]:
        """What the windows have to tell: `duplicates`, and `late`, the readings of which a window was closed.

        Spark itself counts what it drops after it has put together the readings of a window.
        """
        closed = watermark.timestamp() * 1000 if watermark else 0.0
        late = sum(count for end, count in self.ends.items() if int(end) <= closed)
        return {"duplicates": self.duplicates, "late": late}


@dataclass(frozen=True)
class PassTask:
    """Does what `readings` does, and makes rows of `SCHEMA`: measurements, and at the end what was done.

    `window` and `slide` are those of the windows that follow, in milliseconds. With a `router` alerts and dead letters
    are sent as well, over `link`. Raises TaskOutage and TaskError instead of telling them as an outcome: the windows
    must not go on without the rest.
    """

    readings: ReadingsTask
    window: int
    slide: int
    router: RouterTask | None
    link: Connection

    SCHEMA: ClassVar[str] = f"{MEASUREMENTS}, outcome string"

    def __call__(self, batches: Rows) -> Rows:
        """Do all that is to be done with the records of a partition."""
        try:
            with undisturbed(), ExitStack() as stack:
                outbox = stack.enter_context(closing(Outbox(self.link))) if self.router else None
                yield from self._done(batches, outbox)
        except StoreUnavailable as outage:
            raise TaskOutage(str(outage)) from None
        except StoreError as error:
            raise TaskError(str(error)) from None

    def _done(self, batches: Rows, outbox: Outbox | None) -> Iterator[pa.RecordBatch]:
        work, watch = ReadingsWork(self.readings), Watch(self.readings.rules)
        context = TaskContext.get()
        total = Done(partition=context.partitionId() if context else 0, at=time.time())
        for batch in batches:
            found = judged(batch, self.readings.max_ahead)
            alerts = raised(found, watch)
            # Sent second: less is sent twice where MongoDB is away, for all of the task is done again then.
            outcome, written = work.write(batch, found, alerts)
            if self.router and outbox:
                outbox.send(self.router.rows(batch, found, alerts))
            again = {one.position for one in store_writes.come_again(self.readings.store, written.there)}
            columns = measurements(_counted(found, written, again))
            total.add(Done(outcome, len(again), first_ends(columns["timestamp"], self.window, self.slide)))
            yield _rows(columns, None)
        total.outcome.add(work.end())
        if outbox:
            outbox.finish()
        yield _rows(measurements(()), total.text())


def first_ends(moments: pa.TimestampArray, window: int, slide: int) -> Counter[str]:
    """`Done.ends` of readings at these moments; where there are very many ends, the oldest are told as one."""
    milliseconds = moments.cast(pa.int64()).to_numpy() // 1000
    # As Spark has it: windows begin at whole multiples of the slide.
    first = ((milliseconds - window) // slide + 1) * slide
    ends, counts = np.unique(first + window, return_counts=True)
    told, rest = slice(-MOST_ENDS, None), slice(None, -MOST_ENDS)
    found = Counter(dict(zip(map(str, ends[told]), counts[told].tolist(), strict=True)))
    if len(ends[rest]):
        found[str(ends[told][0])] += int(counts[rest].sum())
    return found


def _counted(found: list[Judged], written: Written, again: set[int]) -> list[tuple[SensorReading, datetime]]:
    """The readings that are stored, each once."""
    left_out = again | {one.record.position for one in written.refused}
    return [
        one for position, one in enumerate(found) if not isinstance(one, RefusedMessage) and position not in left_out
    ]


def _rows(columns: Mapping[str, pa.Array], outcome: str | None) -> pa.RecordBatch:
    """Measurements without an outcome, or an outcome without a measurement."""
    if outcome is None:
        return pa.RecordBatch.from_pydict({**columns, "outcome": pa.nulls(len(columns["timestamp"]), pa.string())})
    nothing = {name: pa.nulls(1, column.type) for name, column in columns.items()}
    return pa.RecordBatch.from_pydict({**nothing, "outcome": pa.array([outcome], pa.string())})


def observed(report: Mapping[str, Any]) -> Done:
    """What a batch's tasks did, out of Spark's report of it."""
    told = map(Done.of, report.get("observedMetrics", {}).get(OBSERVED, {}).get(OUTCOMES, ()))
    tasks: dict[int, Done] = {}
    # After an outage Spark has the tasks of a batch done again, and tells of those that had ended as well.
    for one in sorted(told, key=lambda one: one.at):
        before = tasks.get(one.partition)
        tasks[one.partition] = one.after(before) if before else one
    total = Done()
    for one in tasks.values():
        total.add(one)
    return total

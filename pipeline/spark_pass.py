"""All that is done with a record in one pass: it is read and judged once, where three queries would each do that.

A micro-batch's records are stored, their alerts and dead letters sent, and their measurements handed on to the windows.
What became of them travels in a column of its own, and comes to the driver with Spark's report of the batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.broker import Connection
from pipeline.rules import Watch
from pipeline.spark_errors import TaskError, TaskOutage
from pipeline.spark_outbox import Outbox
from pipeline.spark_router import RouterTask
from pipeline.spark_tasks import (
    MeasurementsTask,
    Outcome,
    ReadingsTask,
    ReadingsWork,
    Rows,
    judged,
    measurements,
    raised,
    undisturbed,
)
from pipeline.store_faults import StoreError, StoreUnavailable

# The name under which Spark reports the outcomes.
OUTCOMES = "outcomes"


@dataclass(frozen=True)
class PassTask:
    """Does what `readings` and `router` do, and makes rows of `SCHEMA`: measurements, and at the end the outcome.

    Raises TaskOutage and TaskError instead of telling them as an outcome: the windows must not go on without the rest.
    """

    readings: ReadingsTask
    router: RouterTask
    link: Connection

    SCHEMA: ClassVar[str] = f"{MeasurementsTask.SCHEMA}, outcome string"

    def __call__(self, batches: Rows) -> Rows:
        """Do all that is to be done with the records of a partition."""
        try:
            with undisturbed(), closing(Outbox(self.link)) as outbox:
                yield from self._done(batches, outbox)
        except StoreUnavailable as outage:
            raise TaskOutage(str(outage)) from None
        except StoreError as error:
            raise TaskError(str(error)) from None

    def _done(self, batches: Rows, outbox: Outbox) -> Iterator[pa.RecordBatch]:
        work, watch = ReadingsWork(self.readings), Watch(self.router.rules)
        total = Outcome()
        for batch in batches:
            found = judged(batch, self.readings.max_ahead)
            alerts = raised(found, watch)
            # Sent second: less is sent twice where MongoDB is away, for all of the task is done again then.
            total.add(work.write(batch, found, alerts))
            outbox.send(self.router.rows(batch, found, alerts))
            yield _rows(measurements(found), None)
        total.add(work.end())
        outbox.finish()
        yield _rows(measurements(()), json.dumps(vars(total)))


def _rows(columns: Mapping[str, pa.Array], outcome: str | None) -> pa.RecordBatch:
    """Measurements without an outcome, or an outcome without a measurement."""
    if outcome is None:
        return pa.RecordBatch.from_pydict({**columns, "outcome": pa.nulls(len(columns["event_id"]), pa.string())})
    nothing = {name: pa.nulls(1, column.type) for name, column in columns.items()}
    return pa.RecordBatch.from_pydict({**nothing, "outcome": pa.array([outcome], pa.string())})


def observed(report: Mapping[str, Any], name: str) -> Outcome | None:
    """What became of a batch's records, out of Spark's report of it; None where nothing is told under that name."""
    told = report.get("observedMetrics", {}).get(name)
    if told is None:
        return None
    total = Outcome()
    for one in told[OUTCOMES]:
        total.add(Outcome(**json.loads(one)))
    return total

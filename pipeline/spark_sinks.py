"""What the driver does with each micro-batch: have it written, wait for MongoDB where it is away, and count."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from pipeline.breaker import ATTEMPTS, Breaker
from pipeline.console import UserError
from pipeline.spark_errors import TaskOutage, innermost_cause, raised_by_task
from pipeline.spark_tasks import SCHEMA, Outcome, Rows

log = logging.getLogger(__name__)


class BatchFailed(Exception):
    """Spark could not do a batch, and why, in one line."""


@dataclass
class Sink:
    """Writes the batches of one query by a task in one pass. `last_error` is what only a person can mend.

    An outage is waited for within the batch, so the query goes on where it was; the batch is written again as a whole,
    which changes nothing of what was written before.
    """

    task: Callable[[Rows], Rows]
    breaker: Breaker
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    last_error: UserError | None = None

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Write a batch; for foreachBatch."""
        failures = 0
        while True:
            outcome = self._done(frame)
            if outcome.error:
                self.last_error = UserError(outcome.error)
                raise self.last_error
            if not outcome.outage:
                break
            log.debug("batch %d is written again after an outage: %s", batch_id, outcome.outage)
            if not self.breaker.await_all():
                failures += 1
                if failures >= ATTEMPTS:
                    raise BatchFailed(outcome.outage)
        self.outcomes[batch_id] = outcome

    def _done(self, frame: DataFrame) -> Outcome:
        try:
            rows = frame.mapInArrow(self.task, SCHEMA).collect()
        except (Py4JError, PySparkException) as error:
            raised = raised_by_task(str(error))
            if isinstance(raised, TaskOutage):
                return Outcome(outage=str(raised))
            if raised:
                return Outcome(error=str(raised))
            # Spark looks for a word in the error's text by a pattern that overflows the stack on a long one.
            raise BatchFailed(innermost_cause(str(error))) from None
        outcome = Outcome()
        for row in rows:
            outcome.add(Outcome(**row.asDict()))
        return outcome

    def outcome(self, batch_id: int) -> Outcome:
        """What became of a batch; it is forgotten then."""
        return self.outcomes.pop(batch_id, Outcome())

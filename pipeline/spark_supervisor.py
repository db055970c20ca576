"""Keeps the streaming queries at work: reports their progress, waits out outages, and ends when a person must look."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql.streaming import StreamingQuery

from pipeline.breaker import ATTEMPTS, Breaker, Stopped
from pipeline.console import UserError
from pipeline.metrics_spark import SparkFigures
from pipeline.spark_errors import innermost_cause
from pipeline.spark_pass import observed
from pipeline.spark_progress import Document, ProgressLog, figures, share
from pipeline.spark_queries import READINGS, Query
from pipeline.spark_tasks import Outcome

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
FIRST_PAUSE = 1.0
# A query that has worked so long has recovered from what was before.
HEALTHY_SECONDS = 60.0
# A query that has reported nothing for so long gives a sign of life: a real-time batch lasts minutes, and an idle query
# reports every ten seconds.
QUIET_SECONDS = 15.0
# Waiting or trying again would not help against these: a sentence for people, by what Spark says.
_HOPELESS = (
    (
        re.compile(r"some data may have been lost|OffsetOutOfRange|offset was changed from", re.IGNORECASE),
        "readings were removed from the topic before they were read (its retention is too short for this backlog, or "
        "it was made anew); name another --checkpoint to go on with what is left",
    ),
    (
        re.compile(r"multiple streaming queries are concurrently using|Concurrent(?: update|StreamLogUpdate)", re.I),
        "another job uses the same --checkpoint; end one of the two, or give it a checkpoint of its own",
    ),
    (
        re.compile(r"No space left on device"),
        "no space is left for the checkpoint or for Spark's own files; make room and start again: nothing is lost",
    ),
)


@dataclass
class _Supervised:
    """A query and how it has fared."""

    query: Query
    running: StreamingQuery
    started: float
    heard: float
    next_batch: int = -1
    failures: int = 0
    # Id and instant of the last report.
    reported: int | None = None
    reported_at: str = ""

    def is_over(self) -> bool:
        return not self.running.isActive

    def start_again(self) -> None:
        self.running, self.started = self.query.start(), time.monotonic()
        self.reported, self.reported_at = None, ""

    def new_reports(self) -> list[dict[str, Any]]:
        """Spark's reports since the last call, as far as Spark keeps them (100).

        An idle query reports as well, under the id of the batch to come, whose own report may be the next one.
        """
        # A listener would be told each of them, but PySpark takes a report apart in calls that cost a tenth of a core.
        last = self.running.lastProgress
        if last is None or last.timestamp == self.reported_at:
            return []
        if self.reported is not None and last.batchId == self.reported + 1:
            found = [last]
        else:
            found = [one for one in self.running.recentProgress if one.timestamp > self.reported_at]
        is_idle = last.numInputRows == 0
        self.next_batch = last.batchId + (0 if is_idle else 1)
        # What is said of an idle query leaves its batch to be reported.
        self.reported, self.reported_at = self.next_batch - 1, last.timestamp
        return [json.loads(one.json) for one in found]


class Supervisor:
    """Runs queries until a stop is asked for, or until they have read what there is.

    `wait` waits so many seconds and says whether a stop was asked for; `watch` is told of batches and restarts, `told`
    gets the figures of each batch.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        progress: ProgressLog,
        breaker: Breaker,
        wait: Callable[[float], bool],
        watch: SparkFigures,
        told: Callable[[Document], None] = lambda _: None,
    ) -> None:
        self._queries, self._progress, self._breaker, self._wait = queries, progress, breaker, wait
        self._watch, self._told = watch, told
        self._at_work: list[_Supervised] = []
        breaker.on_pause = self._give_signs_of_life

    def run(self, announce: Callable[[], None]) -> None:
        """Start the queries, call `announce` and watch; raises UserError when a query fails for good."""
        try:
            for one in self._queries:
                self._at_work.append(_Supervised(one, one.start(), time.monotonic(), heard=-math.inf))
            announce()
            while self._at_work and not self._wait(POLL_SECONDS):
                self._look_after()
                if self._breaker.away is None:
                    self._progress.flush()
                    self._give_signs_of_life()
        except Stopped:
            log.debug("stopped while waiting for a server")
        finally:
            for supervised in self._at_work:
                supervised.running.stop()
                self._report(supervised)

    def _report(self, supervised: _Supervised) -> None:
        query = supervised.query
        for report in supervised.new_reports():
            supervised.heard = time.monotonic()
            document = {**figures(report, counts_state=query.counts_state), **query.manner()}
            outcome = query.sink.outcome(report["batchId"]) if query.sink else None
            if not query.also:
                self._tell(document, outcome)
                continue
            done = observed(report)
            self._tell({**document, **done.counted(document.get("watermark"))}, outcome)
            for name in query.also:
                self._tell(share(document, name), done.outcome if name == READINGS else None)

    def _tell(self, document: Document, outcome: Outcome | None) -> None:
        counts = outcome.counts() if outcome else {}
        document = {**document, **(outcome.counts_within() if outcome else {})}
        self._watch.batch(document, counts)
        self._progress.add(document, counts)
        self._told(document)

    def _give_signs_of_life(self) -> None:
        now = time.monotonic()
        for one in self._at_work:
            if now - one.heard > QUIET_SECONDS:
                sign = {
                    "query": one.query.name,
                    **one.query.manner(),
                    **({"waits_for": self._breaker.away} if self._breaker.away else {}),
                    "query_id": str(one.running.id),
                    "batch_id": one.next_batch,
                    "state": "waiting" if one.is_over() else "running",
                }
                for each in (sign, *(share(sign, name) for name in one.query.also)):
                    self._progress.sign_of_life(each)
                one.heard = now

    def _look_after(self) -> None:
        for supervised in list(self._at_work):
            # Asked for first: what ends in between has made its last report by then.
            is_over = supervised.is_over()
            self._report(supervised)
            if not is_over:
                continue
            error = supervised.running.exception()
            if error is None:
                self._at_work.remove(supervised)
                continue
            self._restart(supervised, str(error))

    def _restart(self, supervised: _Supervised, message: str) -> None:
        """Start a query again from its checkpoint, after a pause or an outage."""
        query = supervised.query
        log.debug("the query %s failed: %s", query.name, message)
        if query.sink and query.sink.last_error:
            raise query.sink.last_error
        for pattern, sentence in _HOPELESS:
            if pattern.search(message):
                raise UserError(f"the query {query.name} cannot go on: {sentence}")
        if time.monotonic() - supervised.started > HEALTHY_SECONDS:
            supervised.failures = 0
        if not self._breaker.await_all():
            supervised.failures += 1
            if supervised.failures > ATTEMPTS:
                raise UserError(
                    f"the query {query.name} failed {supervised.failures} times: {innermost_cause(message)} "
                    "(run it again with --debug for the details)"
                )
            pause = FIRST_PAUSE * 2 ** (supervised.failures - 1)
            log.warning("the query %s failed: %s; it starts again in %g s", query.name, innermost_cause(message), pause)
            if self._wait(pause):
                raise Stopped
        supervised.start_again()
        for name in (query.name, *query.also):
            self._watch.restart(name)
        log.info("the query %s goes on from its checkpoint", query.name)

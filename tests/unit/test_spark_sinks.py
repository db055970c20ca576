"""What the driver does with a batch that its task could not write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from pyspark.errors import PySparkException

from pipeline.breaker import ATTEMPTS, Breaker
from pipeline.console import UserError
from pipeline.spark_sinks import BatchFailed, Sink
from pipeline.spark_tasks import Outcome

AWAY = Outcome(outage="MongoDB is away")


@dataclass
class Row:
    """A row of a task's, as Spark hands it over."""

    outcome: Outcome

    def asDict(self) -> dict[str, Any]:
        return vars(self.outcome)


@dataclass
class Frame:
    """A batch: what its task hands back, or what Spark raises instead, each time that it is asked to write."""

    answers: list[Outcome | str]
    asked: int = 0

    def mapInArrow(self, *_: Any) -> Frame:
        return self

    def collect(self) -> list[Row]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, str):
            raise PySparkException(answer)
        return [Row(answer)]


@dataclass
class Servers:
    """Where each wait ends: whether one of them was away."""

    away: list[bool] = field(default_factory=list)
    waits: int = 0

    def await_all(self) -> bool:
        self.waits += 1
        return self.away.pop(0) if self.away else False


def written(frame: Frame, servers: Servers) -> Sink:
    sink = Sink(lambda rows: rows, cast(Breaker, servers))
    sink(cast(Any, frame), 7)
    return sink


@pytest.mark.parametrize("away", [AWAY, "at x\npipeline.spark_errors.TaskOutage: the broker is away\n"])
def test_an_outage_is_waited_for_and_the_batch_written_again(away):
    frame, servers = Frame([away, away, Outcome(stored=3)]), Servers([True, True])

    sink = written(frame, servers)

    assert (frame.asked, servers.waits) == (3, 2)
    assert sink.outcome(7) == Outcome(stored=3)
    assert sink.outcome(7) == Outcome()


def test_an_outage_of_which_the_servers_know_nothing_is_seen_in_the_end():
    # However often one was away in between.
    frame, servers = Frame([AWAY]), Servers([True] * 3 * ATTEMPTS)

    with pytest.raises(BatchFailed, match="MongoDB is away"):
        written(frame, servers)

    assert frame.asked == servers.waits == 4 * ATTEMPTS


@pytest.mark.parametrize("refused", [Outcome(error="no"), "at x\npipeline.spark_errors.TaskError: no"])
def test_what_only_a_person_can_mend_is_kept_for_the_supervisor(refused):
    sink = Sink(lambda rows: rows, cast(Breaker, Servers()))

    with pytest.raises(UserError, match=r"^no$"):
        sink(cast(Any, Frame([refused])), 0)

    assert str(sink.last_error) == "no"


def test_any_other_error_of_sparks_fails_the_batch_in_a_line():
    with pytest.raises(BatchFailed, match=r"^no space left$"):
        written(Frame(["no space left\n\tat java.io.File.write(File.java:1)"]), Servers())

"""Which of Spark's reports are new: each batch counts once, and an idle query is heard of again and again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from pipeline.spark_queries import Query
from pipeline.spark_supervisor import _Supervised


@dataclass
class Report:
    batchId: int
    timestamp: str
    numInputRows: int

    @property
    def json(self) -> str:
        return json.dumps([self.batchId, self.numInputRows])


@dataclass
class Running:
    """A streaming query, as far as its reports go."""

    recentProgress: list[Report] = field(default_factory=list)

    @property
    def lastProgress(self) -> Report | None:
        return self.recentProgress[-1] if self.recentProgress else None

    def report(self, batch: int, rows: int) -> None:
        self.recentProgress.append(Report(batch, f"2026-03-01T12:00:{len(self.recentProgress):02}.000Z", rows))


def test_every_batch_is_reported_once_also_after_a_time_without_any():
    running = Running()
    watched = _Supervised(Query("q", lambda: cast(Any, running)), cast(Any, running), started=0, heard=0)

    def heard(*reports: tuple[int, int]) -> list[tuple[int, int]]:
        for one in reports:
            running.report(*one)
        return [tuple(one) for one in cast(Any, watched.new_reports())]

    assert heard() == []
    assert heard((0, 5), (1, 7)) == [(0, 5), (1, 7)]
    assert heard() == []
    assert heard((2, 9)) == [(2, 9)]
    # An idle query says so under the id of the batch to come, as often as it does.
    assert heard((3, 0)) == [(3, 0)]
    assert heard((3, 0)) == [(3, 0)]
    assert heard() == []
    assert watched.next_batch == 3
    # That batch is reported although its id was heard of, and also when others follow before one looks.
    assert heard((3, 4)) == [(3, 4)]
    assert heard((4, 0)) == [(4, 0)]
    assert heard((4, 1), (5, 2), (6, 3)) == [(4, 1), (5, 2), (6, 3)]
    assert watched.next_batch == 7
    # A batch may have no rows and yet be one.
    assert heard((7, 0), (8, 2)) == [(7, 0), (8, 2)]

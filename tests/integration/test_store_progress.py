"""The progress of streaming queries, in a real mongod."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import stored
from stored import START

from pipeline import store_progress
from pipeline.store import Store
from pipeline.store_faults import StoreError


def write(target: Store, batch: int, counts: dict[str, int], **figures: Any) -> None:
    at = START + timedelta(seconds=batch)
    progress = {"query": "windows", "query_id": "q1", "batch_id": batch, "at": at, **figures}
    store_progress.write_progress(target, progress, counts)


def totals(target: Store) -> list[dict]:
    return stored.dump(target.uri, target.database)["pipeline_totals"]


def test_each_batch_is_kept_and_its_counts_are_added_up(target):
    write(target, 0, {"late": 2, "rows": 10}, rows_per_second=5.5)
    write(target, 1, {"late": 3, "rows": 20}, lag={"0": 7})

    found = stored.dump(target.uri, target.database)["pipeline_progress"]
    assert [(one["batch_id"], one.get("rows_per_second"), one.get("lag")) for one in found] == [
        (0, 5.5, None),
        (1, None, {"0": 7}),
    ]
    assert totals(target) == [
        {
            "_id": "q1",
            "query": "windows",
            "last_batch": 1,
            "counts": {"late": 5, "rows": 30},
            "at": START + timedelta(seconds=1),
        }
    ]


def test_a_batch_that_is_reported_again_counts_once(target):
    write(target, 0, {"late": 2})
    write(target, 1, {"late": 3})
    before = stored.dump(target.uri, target.database)

    write(target, 1, {"late": 3})

    assert stored.dump(target.uri, target.database) == before


def test_an_idle_report_under_the_id_of_the_batch_to_come_does_not_stand_in_for_it(target):
    write(target, 0, {"late": 2})
    write(target, 1, {"late": 0})

    write(target, 1, {"late": 3})

    assert totals(target)[0]["counts"] == {"late": 5}


def test_a_progress_that_cannot_be_stored_is_an_error_that_names_the_query(target):
    with pytest.raises(StoreError, match="progress of the query windows cannot be stored"):
        write(target, 0, {}, rows=2**70)

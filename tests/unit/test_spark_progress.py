from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from harness import free_port

from pipeline.spark_progress import ProgressLog, figures, share
from pipeline.store import Store

# A report of Spark 4.2.0 on the windows query, but for most of RocksDB's own figures.
REPORT: dict[str, Any] = {
    "id": "24b10823-466a-415e-a7ff-06b38acf3e98",
    "runId": "9ba09a71-1373-48d8-91c2-fa5f021979ee",
    "name": "windows",
    "timestamp": "2026-11-22T16:35:39.019Z",
    "batchId": 1,
    "batchDuration": 16045,
    "numInputRows": 99,
    "inputRowsPerSecond": 1.5,
    "processedRowsPerSecond": 6.2,
    "durationMs": {"addBatch": 7134, "commitOffsets": 446, "latestOffset": 217, "triggerExecution": 16043},
    "eventTime": {
        "avg": "2026-11-22T16:32:33.228Z",
        "max": "2026-11-22T16:32:33.228Z",
        "min": "2026-11-22T16:32:33.228Z",
        "watermark": "2026-11-22T16:30:33.228Z",
    },
    "stateOperators": [
        {
            "operatorName": "stateStoreSave",
            "numRowsTotal": 3,
            "numRowsUpdated": 3,
            "memoryUsedBytes": 57600,
            "numRowsDroppedByWatermark": 0,
        },
        {
            "operatorName": "dedupeWithinWatermark",
            "numRowsTotal": 198,
            "numRowsUpdated": 99,
            "memoryUsedBytes": 61000,
            "numRowsDroppedByWatermark": 0,
            "customMetrics": {"numDroppedDuplicateRows": 4, "loadedMapCacheHitCount": 12},
        },
    ],
    "sources": [
        {
            "description": "KafkaV2[Subscribe[sensor-data]]",
            "startOffset": {"sensor-data": {"0": 33, "1": 23, "2": 43}},
            "endOffset": {"sensor-data": {"0": 66, "1": 46, "2": 86}},
            "latestOffset": {"sensor-data": {"0": 100, "1": 70, "2": 130}},
            "numInputRows": 99,
            "metrics": {"avgOffsetsBehindLatest": "34.0"},
        }
    ],
    "sink": {"description": "ForeachBatchSink", "numOutputRows": -1},
}


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    change(report)
    return figures(report)


def test_a_report_becomes_the_figures_that_are_kept():
    assert figures(REPORT) == {
        "query": "windows",
        "query_id": "24b10823-466a-415e-a7ff-06b38acf3e98",
        "batch_id": 1,
        "at": datetime(2026, 11, 22, 16, 35, 39, 19_000, UTC),
        "state": "running",
        "rows": 99,
        "rows_per_second": 6.2,
        "input_rows_per_second": 1.5,
        "batch_seconds": 16.043,
        "lag": 34 + 24 + 44,
        "lag_by_partition": {"0": 34, "1": 24, "2": 44},
        "waiting_by_partition": {"0": 67, "1": 47, "2": 87},
        "late": 0,
        "duplicates": 4,
        "state_rows": 201,
        "state_bytes": 118_600,
        "phases": {"addBatch": 7.134, "commitOffsets": 0.446, "latestOffset": 0.217},
        "watermark": datetime(2026, 11, 22, 16, 30, 33, 228_000, UTC),
    }


def test_rows_of_a_state_that_spark_does_not_count_are_not_told():
    found = figures(REPORT, counts_state=False)

    assert found == {name: value for name, value in figures(REPORT).items() if name != "state_rows"}


def test_what_the_watermark_dropped_is_late():
    assert changed(lambda report: report["stateOperators"][1].update(numRowsDroppedByWatermark=7))["late"] == 7


def test_a_watermark_that_is_not_known_yet_is_left_out():
    beginning = "1970-01-01T00:00:00.000Z"

    for change in (
        lambda report: report["eventTime"].update(watermark=beginning),
        lambda report: report["eventTime"].clear(),
        lambda report: report.pop("eventTime"),
    ):
        assert "watermark" not in changed(change)


def test_a_query_without_state_drops_nothing():
    found = changed(lambda report: report.pop("stateOperators"))

    assert (found["late"], found["duplicates"], found["state_rows"], found["state_bytes"]) == (0, 0, 0, 0)


def test_the_rate_of_an_empty_batch_which_spark_leaves_out_is_zero():
    def change(report: dict[str, Any]) -> None:
        del report["processedRowsPerSecond"], report["inputRowsPerSecond"]
        report["numInputRows"] = 0

    found = changed(change)
    assert (found["rows_per_second"], found["input_rows_per_second"]) == (0.0, 0.0)


def test_a_batch_without_its_trigger_lasts_as_long_as_the_batch():
    # In Real-time Mode there is no trigger that is executed.
    assert changed(lambda report: report["durationMs"].pop("triggerExecution"))["batch_seconds"] == 16.045


@pytest.mark.parametrize(
    ("end", "latest", "lags"),
    [
        ('{"t":{"0":5}}', '{"t":{"0":9}}', {"0": 4}),
        ({"t": {"0": 9}}, {"t": {"0": 5}}, {"0": 0}),
        ({"t": {"0": 5}}, {"t": {"0": 5, "1": 8}}, {"0": 0, "1": 0}),
        (None, {"t": {"0": 5}}, {"0": 0}),
        ({"t": {"0": 5}}, None, {}),
    ],
)
def test_the_lag_is_what_is_there_and_not_read_yet(end, latest, lags):
    def change(report: dict[str, Any]) -> None:
        report["sources"][0].update(endOffset=end, latestOffset=latest)

    found = changed(change)
    assert (found["lag_by_partition"], found["lag"]) == (lags, sum(lags.values()))


def test_late_and_refused_messages_are_told_and_an_outage_raises_nothing(caplog):
    away = Store(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=100", "test")
    progress = ProgressLog(away)

    progress.add(figures(REPORT), {"stored": 5})
    progress.add({**figures(REPORT), "late": 3}, {})
    progress.add({**figures(REPORT), "late": 4}, {"refused": 2})

    assert [record.getMessage() for record in caplog.records] == [
        "3 readings came later than the watermark allows: they are stored, but count in no window (3 since the start)",
        "4 readings came later than the watermark allows: they are stored, but count in no window (7 since the start)",
        "2 messages were refused; see them with 'consumer.py --dead-letters'",
    ]


def test_another_query_in_the_same_batches_has_their_figures_and_no_state():
    report = copy.deepcopy(REPORT)
    report["stateOperators"][0]["numRowsDroppedByWatermark"] = 3
    windows = figures(report)

    shared = share(windows, "readings")

    assert windows["late"] == 3
    changed = {"query", "query_id", "late", "duplicates", "state_rows", "state_bytes", "watermark"}
    assert {name for name in windows if shared.get(name) != windows[name]} == changed
    assert shared["query"] == "readings"
    ids = {windows["query_id"], shared["query_id"], share(windows, "router")["query_id"]}
    assert len({uuid.UUID(one) for one in ids}) == 3
    assert share(windows, "readings") == shared
    assert [shared[name] for name in ("late", "duplicates", "state_rows", "state_bytes")] == [0, 0, 0, 0]
    assert "watermark" not in shared

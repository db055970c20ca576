"""Figures for Prometheus: what is declared, and what is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from scraping import Scraped, parsed

from pipeline import metrics_server, metrics_spark
from pipeline.breaker import Breaker
from pipeline.console import UserError
from pipeline.metrics import SECONDS_BOUNDS, Metric, Readout
from pipeline.metrics_producer import ACKNOWLEDGEMENT, distribution
from pipeline.metrics_spark import (
    ALERTS,
    AWAY,
    BATCHES,
    LAG,
    LATE,
    REFUSED,
    RESTARTS,
    ROWS,
    STATE,
    STORED,
    WATERMARK,
    SparkFigures,
)
from pipeline.tally import LatencyHistogram


def shown(registry: CollectorRegistry) -> Scraped:
    return parsed(generate_latest(registry).decode())


def batch(rows: int, **more: Any) -> dict[str, Any]:
    """What spark_progress.figures makes of a report."""
    return {
        "query": "windows",
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "rows": rows,
        "rows_per_second": 50.0,
        "batch_seconds": 1.5,
        "lag_by_partition": {"0": 7, "1": 0},
        "late": 0,
        "state_rows": 12,
        **more,
    }


def test_latencies_go_into_the_buckets_that_prometheus_is_told():
    latency = LatencyHistogram()
    latency.record((0.0004, 0.0009, 0.003, 0.2, 100.0))

    registry = metrics_server.registry(
        Readout((ACKNOWLEDGEMENT,), lambda: {ACKNOWLEDGEMENT: {(): distribution(latency)}})
    )

    found = shown(registry)
    name = ACKNOWLEDGEMENT.name
    within = {bound: found.value(f"{name}_bucket", le=str(bound)) for bound in SECONDS_BOUNDS}
    assert (within[0.001], within[0.0025], within[0.005], within[0.1], within[0.25], within[30.0]) == (2, 2, 3, 3, 4, 4)
    assert found.value(f"{name}_bucket", le="+Inf") == found.value(f"{name}_count") == 5
    assert found.value(f"{name}_sum") == 100.2043


def test_a_readout_is_not_asked_before_somebody_scrapes():
    metric = Metric("pipeline_test_things_total", "counter", "things", "things", ("kind",))
    asked = []

    def read() -> Any:
        asked.append(1)
        return {metric: {("a",): 2.0, ("b",): 3.0}}

    registry = metrics_server.registry(Readout((metric,), read))
    assert asked == []

    assert shown(registry).total(metric) == 5
    assert asked == [1]


def test_the_spark_jobs_figures_are_those_of_its_reports():
    figures = SparkFigures(("readings", "windows"), ("Kafka", "MongoDB"))

    figures.batch(batch(90, late=3, watermark=datetime(2026, 3, 1, 11, 58, tzinfo=UTC)), {"stored": 4, "refused": 2})
    figures.batch(batch(10, lag_by_partition={"0": 0, "1": 5}), {"stored": 1, "alerts": 6})
    figures.batch(batch(0, batch_seconds=0.1), {})
    figures.restart("windows")

    found = shown(figures.registry)
    found.require_declared(metrics_spark.METRICS)
    assert found.value(ROWS, query="windows") == 100
    assert found.value(f"{BATCHES.name}_count", query="windows") == 2
    assert found.value(f"{BATCHES.name}_sum", query="windows") == 3.0
    assert found.value(LATE, query="windows") == 3
    assert found.value(STORED, query="windows") == 5
    assert found.value(REFUSED, query="windows") == 2
    assert found.value(ALERTS, query="windows") == 6
    assert found.value(LAG, query="windows", partition="0") == 7
    assert found.value(STATE, query="windows") == 12
    assert found.value(WATERMARK, query="windows") == datetime(2026, 3, 1, 11, 58, tzinfo=UTC).timestamp()
    assert found.value(RESTARTS, query="windows") == 1
    # A query that has not reported yet counts from 0.
    assert found.value(ROWS, query="readings") == found.value(RESTARTS, query="readings") == 0


def test_the_server_that_the_breaker_waits_for_is_away():
    # given a server that answers at the second attempt
    figures = SparkFigures((), ("Kafka", "MongoDB"))
    reasons = ["it does not answer"]

    def probe() -> None:
        if reasons:
            raise UserError(reasons.pop())

    during = []
    breaker = Breaker({"Kafka": lambda: None, "MongoDB": probe}, wait=lambda _: False)
    breaker.on_pause = lambda: during.append(shown(figures.registry))
    figures.breaker = breaker

    # when
    breaker.await_all()

    # then
    assert [(one.value(AWAY, server="MongoDB"), one.value(AWAY, server="Kafka")) for one in during] == [(1, 0)]
    assert shown(figures.registry).total(AWAY) == 0

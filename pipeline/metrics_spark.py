"""What spark_job.py tells Prometheus: the reports of its queries, and the servers that it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from pipeline import metrics_server
from pipeline.breaker import Breaker
from pipeline.metrics import Metric, Readout, Values

QUERY = ("query",)
# A real-time batch lasts minutes.
BATCH_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 300.0, 600.0)

BATCHES = Metric(
    "pipeline_spark_batch_seconds",
    "histogram",
    "seconds",
    "time that a batch took; idle looks at the topic do not count",
    QUERY,
    BATCH_BOUNDS,
)
ROWS = Metric("pipeline_spark_rows_total", "counter", "records", "records that the query's batches read", QUERY)
SPEED = Metric(
    "pipeline_spark_rows_per_second", "gauge", "records a second", "how fast the last batch with records was", QUERY
)
LAG = Metric(
    "pipeline_spark_lag_records",
    "gauge",
    "records",
    "records that the last batch left for the next ones",
    ("query", "partition"),
)
LATE = Metric(
    "pipeline_spark_late_rows_total",
    "counter",
    "readings",
    "readings too late for their window",
    QUERY,
)
STORED = Metric("pipeline_spark_stored_total", "counter", "documents", "documents that are new in MongoDB", QUERY)
KNOWN = Metric(
    "pipeline_spark_known_total",
    "counter",
    "documents",
    "documents that were there before: repeats, and batches that were done again",
    QUERY,
)
REFUSED = Metric("pipeline_spark_refused_total", "counter", "messages", "messages that break the contract", QUERY)
ALERTS = Metric("pipeline_spark_alerts_total", "counter", "alerts", "alerts that the readings made", QUERY)
STATE = Metric(
    "pipeline_spark_state_rows",
    "gauge",
    "rows",
    "rows that the query keeps between batches; not counted with --available-now",
    QUERY,
)
WATERMARK = Metric(
    "pipeline_spark_watermark_timestamp_seconds",
    "gauge",
    "seconds since 1970",
    "readings from before it are late; missing where a query has none",
    QUERY,
)
REPORTED = Metric(
    "pipeline_spark_report_timestamp_seconds", "gauge", "seconds since 1970", "when the query's last batch began", QUERY
)
RESTARTS = Metric(
    "pipeline_spark_restarts_total", "counter", "restarts", "times that the query went on from its checkpoint", QUERY
)
AWAY = Metric(
    "pipeline_spark_server_away",
    "gauge",
    "1 or 0",
    "whether the circuit breaker is open: the queries wait for this server",
    ("server",),
)

METRICS = (
    *(BATCHES, ROWS, SPEED, LAG, LATE, STORED, KNOWN, REFUSED, ALERTS, STATE, WATERMARK, REPORTED, RESTARTS),
    AWAY,
)
# By the name of the count in the sinks' outcomes.
_COUNTS = {"stored": STORED, "known": KNOWN, "refused": REFUSED, "alerts": ALERTS}


class SparkFigures:
    """Gathers what the supervisor tells of the queries with these names; `breaker` waits for those servers."""

    def __init__(self, queries: Sequence[str], servers: Sequence[str]) -> None:
        def away() -> Mapping[Metric, Values]:
            missing = self.breaker.away if self.breaker else None
            return {AWAY: {(name,): float(name == missing) for name in servers}}

        self.breaker: Breaker | None = None
        self.registry: CollectorRegistry = metrics_server.registry(Readout((AWAY,), away))
        self._batches = metrics_server.histogram(BATCHES, self.registry)
        self._counters = {
            one: metrics_server.counter(one, self.registry)
            for one in (ROWS, LATE, RESTARTS, STORED, KNOWN, REFUSED, ALERTS)
        }
        self._gauges = {
            one: metrics_server.gauge(one, self.registry) for one in (SPEED, LAG, STATE, WATERMARK, REPORTED)
        }
        # A count that begins only with its first event has no rate for it.
        for name in queries:
            self._batches.labels(name)
            for counter in self._counters.values():
                counter.labels(name)

    def batch(self, document: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """A batch was reported, as spark_progress.figures puts it, with what its sink counted."""
        name = document["query"]
        if document["rows"]:
            self._batches.labels(name).observe(document["batch_seconds"])
            self._gauges[SPEED].labels(name).set(document["rows_per_second"])
        self._counters[ROWS].labels(name).inc(document["rows"])
        self._counters[LATE].labels(name).inc(document["late"])
        for count, metric in _COUNTS.items():
            self._counters[metric].labels(name).inc(counts.get(count, 0))
        for partition, lag in document["lag_by_partition"].items():
            self._gauges[LAG].labels(name, partition).set(lag)
        self._gauges[REPORTED].labels(name).set(document["at"].timestamp())
        if "state_rows" in document:
            self._gauges[STATE].labels(name).set(document["state_rows"])
        if "watermark" in document:
            self._gauges[WATERMARK].labels(name).set(document["watermark"].timestamp())

    def restart(self, query: str) -> None:
        """A query was started again."""
        self._counters[RESTARTS].labels(query).inc()

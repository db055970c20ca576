"""Metrics as Prometheus's client has them, and the port where they are read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipeline import checks, options, ports
from pipeline.metrics import Distribution, Metric, Readout, Values

log = logging.getLogger(__name__)

# Beside each counter there would stand when it was made.
prometheus_client.disable_created_metrics()


class _Collector(Collector):
    """A readout as the client asks for it."""

    def __init__(self, readout: Readout) -> None:
        self._readout = readout

    def describe(self) -> Iterable[Family]:
        """The names alone, so that nothing is read before somebody asks."""
        return [_family(metric, {}) for metric in self._readout.metrics]

    def collect(self) -> Iterable[Family]:
        """The metrics as they are now."""
        values = self._readout.read()
        return [_family(metric, values.get(metric, {})) for metric in self._readout.metrics]


def _family(metric: Metric, values: Values) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.about, labels=metric.labels)
        for labels, value in values.items():
            assert isinstance(value, Distribution)
            buckets = [(str(bound), float(value.within[bound])) for bound in metric.bounds]
            histogram.add_metric(labels, [*buckets, ("+Inf", float(value.count))], value.total)
        return histogram
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.about, labels=metric.labels)
    for labels, value in values.items():
        assert not isinstance(value, Distribution)
        family.add_metric(labels, value)
    return family


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter that is told of each event."""
    return Counter(metric.name, metric.about, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """A gauge that keeps its value."""
    return Gauge(metric.name, metric.about, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """A histogram that is told of each value."""
    return Histogram(metric.name, metric.about, metric.labels, buckets=metric.bounds, registry=registry)


def registry(*readouts: Readout) -> CollectorRegistry:
    """A registry with these figures and those of the process: memory, processor time, open files."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    for readout in readouts:
        made.register(_Collector(readout))
    return made


@contextmanager
def served(shown: Readout | CollectorRegistry, host: str, port: int) -> Iterator[None]:
    """Answer GET /metrics until the block ends; raises UserError where the port cannot be had."""
    known = registry(shown) if isinstance(shown, Readout) else shown
    try:
        server, thread = start_http_server(port, host, known)
    except OSError as error:
        raise ports.not_ours(error, host, port, options.METRICS_PORT.flag) from None
    log.info("metrics: http://%s:%d/metrics", checks.reachable_name(host), port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

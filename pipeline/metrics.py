"""Figures for Prometheus: each is declared once, with its meaning, and served on a port of its own if one is given.

docs/metrics.md is made from the declarations. The names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline import options
from pipeline.console import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

# Upper bounds of the buckets for times, in seconds.
SECONDS_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class Metric:
    """A metric. A counter's `name` ends with _total, as it is shown; `bounds` are those of a histogram's buckets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    about: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """A histogram's content: how many values lie within each bound, how many there are, and their sum."""

    within: Mapping[float, int]
    count: int
    total: float


Values = Mapping[tuple[str, ...], float | Distribution]


@dataclass(frozen=True)
class Readout:
    """What a script counts anyway, looked at when somebody asks.

    `read` gives each metric's values by the content of its labels; what it leaves out is not shown. It is called in
    the server's threads.
    """

    metrics: Sequence[Metric]
    read: Callable[[], Mapping[Metric, Values]]


def check(settings: argparse.Namespace) -> None:
    """Raise UsageError for options that say nothing together."""
    if options.METRICS_HOST.name in settings.given and settings.metrics_port is None:
        given = settings.given[options.METRICS_HOST.name]
        raise UsageError(f"{given} says where {options.METRICS_PORT.flag} is served: give that as well")


@contextmanager
def served_if_asked(settings: argparse.Namespace, make: Callable[[], Readout | CollectorRegistry]) -> Iterator[None]:
    """Answer GET /metrics until the block ends, if there is a --metrics-port; raises UserError where it is taken."""
    if settings.metrics_port is None:
        yield
        return
    # What brings the client of Prometheus takes as long to import as the rest of a small script.
    from pipeline import metrics_server  # noqa: PLC0415

    with metrics_server.served(make(), settings.metrics_host, settings.metrics_port):
        yield

"""Metrics as Prometheus reads them."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from pipeline.metrics import Metric

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Scraped:
    """The families by name, as `kind`s, and each sample by its name and labels."""

    kinds: Mapping[str, str]
    labels: Mapping[str, set[str]]
    samples: Mapping[tuple[str, Labels], float]

    def value(self, metric: Metric | str, **labels: str) -> float:
        name = metric if isinstance(metric, str) else metric.name
        return self.samples[name, frozenset(labels.items())]

    def total(self, metric: Metric | str) -> float:
        """The sum over all labels."""
        wanted = metric if isinstance(metric, str) else metric.name
        return sum(value for (name, _), value in self.samples.items() if name == wanted)

    def require_declared(self, metrics: Sequence[Metric]) -> None:
        """Fail unless our metrics are just these, of the right kind and with the right labels."""
        ours = {name: kind for name, kind in self.kinds.items() if name.startswith("pipeline_")}
        assert ours == {metric.name.removesuffix("_total"): metric.kind for metric in metrics}
        declared = {metric.name.removesuffix("_total"): set(metric.labels) for metric in metrics}
        for name, found in self.labels.items():
            if name in declared:
                assert found - {"le"} == declared[name], name


def parsed(text: str) -> Scraped:
    kinds: dict[str, str] = {}
    labels: dict[str, set[str]] = {}
    samples: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text):
        kinds[family.name] = family.type
        for sample in family.samples:
            labels.setdefault(family.name, set()).update(sample.labels)
            samples[sample.name, frozenset(sample.labels.items())] = sample.value
    return Scraped(kinds, labels, samples)


def scrape(port: int) -> Scraped:
    """What a script tells on its --metrics-port."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return parsed(answer.read().decode())

"""The alerts that the stored readings raise, judged once more by the rules, and compared with the stored alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.rules import Rule

EXAMPLES = 20

# A reading's event_id, its sensor type and its value.
Suspect = tuple[str, str, float]


@dataclass
class AlertsResult:
    """How many alerts the readings raise, how many of those are not stored (and the first ones' ids), and how many more
    are stored than the readings raise."""

    expected: int = 0
    missing: int = 0
    extra: int = 0
    examples: list[str] = field(default_factory=list)


def compare(
    rules: Sequence[Rule], suspects: Iterable[Suspect], stored: Callable[[str], Iterator[str]], result: AlertsResult
) -> None:
    """Add to `result` how a run's stored alerts stand to its readings.

    `suspects` are the readings that break a limit, by event_id, and may hold others; `stored` gives the ids of the
    run's alerts of the rule with this name, in order. Both are streams, so that memory does not grow with them.
    """
    found = {rule.name: _Ordered(stored(rule.name)) for rule in rules}
    for event_id, sensor_type, value in suspects:
        for rule in rules:
            if rule.sensor_type == sensor_type and rule.threshold(value) is not None:
                _judge(rule.alert_id(event_id), found[rule.name], result)
    for rest in found.values():
        result.extra += rest.skip_all()


def _judge(alert_id: str, stored: _Ordered, result: AlertsResult) -> None:
    result.expected += 1
    result.extra += stored.skip_before(alert_id)
    if stored.is_next(alert_id):
        return
    result.missing += 1
    if len(result.examples) < EXAMPLES:
        result.examples.append(alert_id)


class _Ordered:
    """Ids in their order, each looked at once."""

    def __init__(self, ids: Iterator[str]) -> None:
        self._ids = ids
        self._next = next(ids, None)

    def skip_before(self, alert_id: str) -> int:
        """Pass over the ids before this one; how many they were."""
        skipped = 0
        while self._next is not None and self._next < alert_id:
            self._next = next(self._ids, None)
            skipped += 1
        return skipped

    def is_next(self, alert_id: str) -> bool:
        """Whether this id comes now; it is taken then."""
        if self._next != alert_id:
            return False
        self._next = next(self._ids, None)
        return True

    def skip_all(self) -> int:
        """Pass over the rest; how many they were."""
        return sum(1 for _ in self._ids) + (self._next is not None)

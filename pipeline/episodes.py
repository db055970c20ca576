"""When the alerts of a sensor and a rule are one alarm: as long as no gap between two of them is too long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Episode:
    """Alerts without a long gap between them.

    `first` is the instant of the first; `last` describes the last one, with its instant in `at` and its `alert_id`;
    `worst` is the highest priority, 1 (low) to 4 (critical).
    """

    first: datetime
    last: dict[str, Any]
    worst: int

    @property
    def order(self) -> tuple[datetime, str]:
        """What makes an alert the last one; at one instant, the alert_id decides."""
        return self.last["at"], self.last["alert_id"]

    @property
    def extent(self) -> tuple[datetime, tuple[datetime, str], int]:
        """What two episodes have in common that are the same; how the last alert is described may differ."""
        return self.first, self.order, self.worst

    def joined(self, other: Episode) -> Episode:
        """Both as one."""
        return Episode(
            min(self.first, other.first), max(self, other, key=lambda one: one.order).last, max(self.worst, other.worst)
        )


def merge(episodes: Iterable[Episode], clear_after: timedelta) -> list[Episode]:
    """Episodes in any order, overlapping or not, joined where the gap is at most `clear_after`; sorted by `first`.

    The answer is the same in whatever order and parts the episodes are merged.
    """
    merged: list[Episode] = []
    for episode in sorted(episodes, key=lambda one: one.first):
        if merged and episode.first - merged[-1].last["at"] <= clear_after:
            merged[-1] = merged[-1].joined(episode)
        else:
            merged.append(episode)
    return merged

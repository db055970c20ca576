"""Refused messages in the log: the first of each kind by name, the others as counts."""

from __future__ import annotations

import logging
from collections import Counter

from pipeline.console import safe_text

log = logging.getLogger(__name__)


class Rejections:
    """Counts refused messages by the code of their refusal; never logs a line for each of them."""

    def __init__(self) -> None:
        self._recent: Counter[str] = Counter()
        self._all: Counter[str] = Counter()
        self._named: set[str] = set()

    @property
    def total(self) -> int:
        """How many messages were refused so far."""
        return self._all.total()

    def by_code(self) -> dict[str, int]:
        """How many messages were refused so far, by the code of their refusal. May be called in any thread."""
        return dict(self._all)

    def add(self, code: str, sentence: str, place: str) -> None:
        """Count a message; `place` is where it stands, as topic[partition]@offset."""
        self._recent[code] += 1
        self._all[code] += 1
        if code not in self._named:
            self._named.add(code)
            log.warning(
                "refused %s: %s: %s (the first of its kind; more are counted)", place, code, safe_text(sentence)
            )

    def log_recent(self) -> None:
        """Log what came since the last call, if anything did."""
        if self._recent:
            log.warning("refused in this interval: %s", _counts(self._recent))
        self._recent.clear()

    def log_total(self) -> None:
        """Log what the whole run refused, if anything."""
        if self._all:
            log.warning("refused in all: %s: %s", f"{self.total:,}", _counts(self._all))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in sorted(counts.items()))

"""What a run of the stack came to: sent and acknowledged (the ledger), read (the consumer), stored (MongoDB)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import ledger, oracle
from pipeline.clock import Clock, SystemClock
from pipeline.display import Step
from pipeline.oracle import Verdict
from pipeline.rules import Rule
from pipeline.services import tail
from pipeline.store import Store

_COLLECTED = re.compile(r"Time: .*, collected (\d+) sensor records")


@dataclass(frozen=True)
class Summary:
    """Counts of messages, None where that service did not run; `seconds` is how long the run took.

    `comparison` is that of the ledger with MongoDB, None where no Spark job ran.
    """

    sent: int | None
    acknowledged: int | None
    read: int | None
    seconds: float
    comparison: Verdict | None = None

    @property
    def failed(self) -> int | None:
        """How many were sent and not acknowledged."""
        return None if self.sent is None or self.acknowledged is None else self.sent - self.acknowledged

    @property
    def whole(self) -> bool:
        """Whether everything that was sent was acknowledged, and read and stored by those who ran."""
        if self.sent is None:
            return True
        arrived = self.failed == 0 and self.read in (None, self.acknowledged)
        return self.sent > 0 and arrived and (self.comparison is None or self.comparison.agrees)

    def figures(self) -> list[tuple[str, str]]:
        """Names and figures for people, as far as there are services that have them and no comparison tells them."""
        counts = {"sent": self.sent, "acknowledged": self.acknowledged, "failed": self.failed}
        counts = {**({} if self.comparison else counts), "read": self.read}
        return [(name, f"{count:,}") for name, count in counts.items() if count is not None]

    def verdict(self) -> str:
        """Whether it is whole, as a sentence."""
        if self.sent is None:
            return "No producer ran: there is nothing to compare"
        if self.sent == 0:
            return "Nothing was sent"
        then = [word for word, known in (("read", self.read), ("stored", self.comparison)) if known is not None]
        *others, last = ["acknowledged", *then]
        done = f"{', '.join(others)} and {last}" if others else last
        return f"{'Everything' if self.whole else 'Not everything'} that was sent was {done}"


def produced(path: Path, runs: Sequence[str]) -> tuple[int, int]:
    """What runs of the producer sent and had acknowledged; raises UserError when the ledger is damaged."""
    known = ledger.read(path) if path.exists() else {}
    records = [known[run] for run in runs if run in known]
    return sum(one.sent for one in records), sum(one.acknowledged for one in records)


def collected(log: Path) -> int:
    """How many readings the consumer's last table counts."""
    matches = (_COLLECTED.match(line) for line in reversed(tail(log, 1000)))
    return next((int(match.group(1)) for match in matches if match), 0)


def compared(
    store: Store,
    path: Path,
    runs: Sequence[str],
    rules: Sequence[Rule],
    step: Step,
    *,
    seconds: float,
    clock: Clock | None = None,
    give_up: Callable[[], bool] = lambda: False,
) -> Verdict | None:
    """Compare runs of the ledger with MongoDB as soon as they agree, after so many seconds at the latest.

    None where the producer never began. Raises StoreError, and UserError for a damaged ledger.
    """
    known = ledger.read(path) if path.exists() else {}
    chosen = [run for run in runs if run in known]
    if not chosen:
        step.result = "nothing was sent"
        return None
    verdict = oracle.await_agreement(
        store,
        lambda: ledger.read(path),
        chosen,
        rules,
        seconds,
        clock or SystemClock(),
        tell=step.note,
        give_up=give_up,
    )
    step.result = "all is stored" if verdict.agrees else "not all is as it was sent"
    return verdict

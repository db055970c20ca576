"""What a run of the stack came to: sent and acknowledged, from the producer's ledger, and read, from the consumer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline import ledger
from pipeline.services import tail

_COLLECTED = re.compile(r"Time: .*, collected (\d+) sensor records")


@dataclass(frozen=True)
class Summary:
    """Counts of messages, None where that service did not run; `seconds` is how long the run took."""

    sent: int | None
    acknowledged: int | None
    read: int | None
    seconds: float

    @property
    def failed(self) -> int | None:
        """How many were sent and not acknowledged."""
        return None if self.sent is None or self.acknowledged is None else self.sent - self.acknowledged

    @property
    def whole(self) -> bool:
        """Whether everything that was sent was acknowledged, and read by the consumer if one ran."""
        if self.sent is None:
            return True
        return self.sent > 0 and self.failed == 0 and self.read in (None, self.acknowledged)

    def figures(self) -> list[tuple[str, str]]:
        """Names and figures for people, as far as there are services that have them."""
        counts = {"sent": self.sent, "acknowledged": self.acknowledged, "failed": self.failed, "read": self.read}
        return [(name, f"{count:,}") for name, count in counts.items() if count is not None]

    def verdict(self) -> str:
        """Whether it is whole, as a sentence."""
        if self.sent is None:
            return "No producer ran: there is nothing to compare"
        if self.sent == 0:
            return "Nothing was sent"
        done = "acknowledged" if self.read is None else "acknowledged and read"
        return f"{'Everything' if self.whole else 'Not everything'} that was sent was {done}"


def produced(path: Path, run: str) -> tuple[int, int]:
    """What a run of the producer sent and had acknowledged; raises UserError when the ledger is damaged."""
    record = ledger.read(path).get(run) if path.exists() else None
    return (record.sent, record.acknowledged) if record else (0, 0)


def collected(log: Path) -> int:
    """How many readings the consumer's last table counts."""
    matches = (_COLLECTED.match(line) for line in reversed(tail(log, 1000)))
    return next((int(match.group(1)) for match in matches if match), 0)

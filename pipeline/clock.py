"""The clock, so that a test can bring its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


def utc_now() -> datetime:
    """This machine's time of day."""
    return datetime.now(UTC)


class Clock(Protocol):
    """Seconds that only go forward, and waiting."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant, the same for all processes of this machine."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds since the machine's start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

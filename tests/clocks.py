"""A clock for tests."""


class HandClock:
    """Seconds that move only when somebody waits, or moves them."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

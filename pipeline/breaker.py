"""The circuit breaker: who meets an outage waits here until the server answers again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tenacity import RetryCallState, Retrying, retry_if_result, wait_random_exponential
from tenacity.wait import wait_base

from pipeline.console import UserError

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
# A fault that passes is over after so many attempts; one that is not must be seen.
ATTEMPTS = 5


class Stopped(Exception):
    """A stop was asked for while waiting."""


@dataclass
class Breaker:
    """Probes servers with a growing pause until all answer. `probes` are by the server's name and raise UserError.

    `wait` waits so many seconds and says whether a stop was asked for; `pauses` is how the pauses grow (up to a limit,
    and random, so that not all who wait come back at the same moment); `on_pause` is called before each. One thread
    probes, others wait for it.
    """

    probes: Mapping[str, Callable[[], None]]
    wait: Callable[[float], bool]
    pauses: wait_base = field(
        default_factory=lambda: wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)
    )
    on_pause: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _away: str | None = None

    @property
    def away(self) -> str | None:
        """The server that is being waited for, or None."""
        return self._away

    def absent(self) -> tuple[str, str] | None:
        """The first server that does not answer, and why; None when all do."""
        for name, probe in self.probes.items():
            try:
                probe()
            except UserError as error:
                return name, str(error)
        return None

    def await_all(self) -> bool:
        """Pause, then wait until every server answers; whether one was away. Raises Stopped."""
        with self._lock:
            try:
                return self._await_all()
            finally:
                self._away = None

    def _await_all(self) -> bool:
        self._pause(FIRST_PAUSE)
        probing = Retrying(
            retry=retry_if_result(bool), wait=self.pauses, sleep=self._pause, before_sleep=self._tell_who_is_away
        )
        probing(self.absent)
        if self._away is None:
            return False
        log.info("%s answers again", self._away)
        return True

    def _tell_who_is_away(self, state: RetryCallState) -> None:
        assert state.outcome
        name, reason = state.outcome.result()
        if self._away != name:
            self._away = name
            log.warning("%s is away: waiting for it, nothing is lost (%s)", name, reason)
        self.on_pause()

    def _pause(self, seconds: float) -> None:
        if self.wait(seconds):
            raise Stopped

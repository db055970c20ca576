"""The circuit breaker: who meets an outage waits here until the server answers again."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.console import UserError

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class Stopped(Exception):
    """A stop was asked for while waiting."""


@dataclass
class Breaker:
    """Probes servers with a growing pause until all answer. `probes` are by the server's name and raise UserError.

    `wait` waits so many seconds and says whether a stop was asked for; `on_pause` is called before. One thread probes,
    others wait for it.
    """

    probes: Mapping[str, Callable[[], None]]
    wait: Callable[[float], bool]
    random: Callable[[], float] = random.random
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
        pause, attempts = FIRST_PAUSE, 0
        if self.wait(FIRST_PAUSE):
            raise Stopped
        while absent := self.absent():
            if self._away != absent[0]:
                self._away = absent[0]
                log.warning("%s is away: waiting for it, nothing is lost (%s)", *absent)
            self.on_pause()
            # Not all who wait come back at the same moment.
            if self.wait(pause * (0.5 + 0.5 * self.random())):
                raise Stopped
            pause = min(2 * pause, LONGEST_PAUSE)
            attempts += 1
        if attempts:
            log.info("%s answers again", self._away)
        return bool(attempts)

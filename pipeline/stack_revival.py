"""Services that end by themselves while a stack runs are started again, after pauses that grow."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from pipeline.clock import Clock
from pipeline.console import ExitCode
from pipeline.display import Display
from pipeline.services import Running, ServiceDied
from pipeline.stack_session import Session

# A service that died so often, never healthy for HEALTHY_SECONDS in between, is given up.
LIVES = 5
FIRST_PAUSE = 1.0
HEALTHY_SECONDS = 60.0


@dataclass
class _Life:
    """How a service fares: its deaths of late, when it died last, when it is to be started again (None: it was)."""

    healthy_since: float | None
    deaths: int = 0
    died: float = 0.0
    due: float | None = None


class Revival:
    """Watches the services of a session, and starts again what died."""

    def __init__(self, session: Session, display: Display, clock: Clock) -> None:
        self._session, self._display, self._clock = session, display, clock
        self._lives = defaultdict[str, _Life](lambda: _Life(healthy_since=clock.monotonic()))

    def look(self, finishing: str | None = None) -> None:
        """Do what is due now; to be called again and again. The service `finishing` may end, if it ends well.

        Raises ServiceDied for a service that dies again and again, or cannot run as it was told.
        """
        for running in list(self._session.running):
            name = running.service.name
            life = self._lives[name]
            if life.due is not None:
                if self._clock.monotonic() >= life.due:
                    life.due, life.healthy_since = None, None
                    self._session.start_again(name)
            elif running.exit_code() is not None:
                if not (name == finishing and running.exit_code() == ExitCode.DONE):
                    self._mourn(running, running.death("while it ran"), life)
            elif life.healthy_since is None:
                self._await(running, life)

    def _mourn(self, running: Running, death: ServiceDied, life: _Life) -> None:
        now = self._clock.monotonic()
        if life.healthy_since is not None and now - life.healthy_since > HEALTHY_SECONDS:
            life.deaths = 0
        life.deaths += 1
        if life.deaths > LIVES or running.exit_code() == ExitCode.USAGE:
            raise death
        pause = FIRST_PAUSE * 2 ** (life.deaths - 1)
        life.died, life.due = now, now + pause
        self._display.line(f"{death}; it starts again in {pause:g} s", "bold yellow")

    def _await(self, running: Running, life: _Life) -> None:
        now = self._clock.monotonic()
        if running.service.healthy():
            life.healthy_since = now
            self._display.line(
                f"{running.service.name} runs again, {now - life.died:.1f} s after it died", "bold green"
            )
        elif now - running.began > running.service.patience:
            running.stop()
            self._mourn(running, running.silence(), life)

"""The services of one `stack.py up`: started in order, watched, and stopped in reverse until no process is left."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pipeline import processes, stack_state
from pipeline.console import Interrupted
from pipeline.display import Display
from pipeline.services import Running, Service
from pipeline.stack_state import Record, State

# What services still wait for may never come once one of them has died.
HURRY_SECONDS = 5.0


class Session:
    """What was started so far. The state file is kept up to date at every step."""

    def __init__(self, folder: Path, display: Display, *, attached: bool) -> None:
        self.running: list[Running] = []
        self._folder, self._display, self._attached = folder, display, attached
        self._descriptions: dict[str, Callable[[], Service]] = {}
        self._started_again: set[str] = set()
        self._state = State(mark=secrets.token_hex(16), owner=processes.identity(os.getpid()))
        # Before the first start: whatever carries the mark can be ended from elsewhere.
        stack_state.save(folder, self._state)

    def start(self, describe: Callable[[], Service], name: str, stopped: Callable[[], bool]) -> None:
        """Start a service and await its health; raises what `Running.await_health` raises."""
        self._descriptions[name] = describe
        with self._display.step(name, "starting") as step:
            running = Running(describe(), self._state.mark, attached=self._attached)
            self.running.append(running)
            self._state.services.append(_record(running))
            stack_state.save(self._folder, self._state)
            running.await_health(step, stopped)
            step.result = running.service.address

    def start_again(self, name: str) -> None:
        """Start a service that has ended once more; its health is for the caller to await."""
        self._started_again.add(name)
        at, old = next((at, one) for at, one in enumerate(self.running) if one.service.name == name)
        # What it started may have outlived it, and would be in the way.
        old.stop(0)
        running = self.running[at] = Running(self._descriptions[name](), self._state.mark, attached=self._attached)
        running.show()
        self._state.services = [_record(running) if one.name == name else one for one in self._state.services]
        stack_state.save(self._folder, self._state)

    def was_started_again(self, name: str) -> bool:
        """Whether a service has ended before."""
        return name in self._started_again

    def show_output(self) -> None:
        """Let what the shown services print appear."""
        for running in self.running:
            running.show()

    def ended(self) -> list[Running]:
        """The services that have ended."""
        return [running for running in self.running if running.exit_code() is not None]

    def find(self, name: str) -> Running | None:
        """The service of that name."""
        return next((running for running in self.running if running.service.name == name), None)

    def stop(self, name: str | None = None, *, hurry: bool = False) -> None:
        """Stop the named service, or all in reverse order; with `hurry` none may take long."""
        self.show_output()
        for running in reversed([one for one in self.running if name in (None, one.service.name)]):
            # Others write to the terminal meanwhile: no spinner.
            with self._display.step(running.service.name, live=False) as step:
                code = running.exit_code()
                willing = running.stop(HURRY_SECONDS if hurry else None)
                step.result = "stopped" if willing else "killed: it did not end when asked"
                if code is not None:
                    step.result = "finished" if code == 0 else "had died"
            self.running.remove(running)
        if not self.running:
            # What a service left behind outside its group.
            processes.kill(processes.marked(self._state.mark))
            self._forget()

    def kill(self) -> None:
        """End everything at once, whatever comes."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        processes.kill(processes.marked(self._state.mark))
        for running in self.running:
            running.reap()
        self.running.clear()
        self._forget()

    def leave(self) -> None:
        """Let the services run on without us."""
        self._state.owner = None
        stack_state.save(self._folder, self._state)

    def _forget(self) -> None:
        stack_state.save(self._folder, State())

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Leaving by an error stops everything; by `Interrupted`, at once."""
        if kind is None:
            return
        try:
            if isinstance(error, Exception):
                self.stop()
                return
        except Interrupted:
            self.kill()
            raise
        self.kill()


def _record(running: Running) -> Record:
    service = running.service
    return Record(service.name, running.identity, datetime.now(UTC), service.address, service.grace)

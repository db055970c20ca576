"""Start a service as a local process, await its health, notice its death, and stop it with all it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline import processes
from pipeline.console import UserError
from pipeline.display import Step
from pipeline.settings import inherited_environment

TAIL_LINES = 10
POLL_SECONDS = 0.1
# What the lines of our logs begin with: the time and the level.
_LOG_PREFIX = re.compile(r"^[\d:.]+ +[A-Z]+ +")


@dataclass(frozen=True)
class Service:
    """A program to run beside others.

    `healthy` is one quick look (a second at most) whether it does its work; `log` is the file that tells what it
    does; `output` is where its stderr and stdout go, the log unless given. `patience` is how many seconds it may take
    until it is healthy, `grace` how many from SIGTERM to SIGKILL. `address` says where or what it is, for people.
    `shown` services have their stdout on ours as well, while we run. `plain` makes a line of the log one for people.
    """

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], bool]
    log: Path
    output: Path | None = None
    folder: Path | None = None
    address: str = ""
    patience: float = 60.0
    grace: float = 15.0
    shown: bool = False
    plain: Callable[[str], str] = str
    environment: Mapping[str, str | None] = field(default_factory=dict)


class ServiceDied(UserError):
    """A service ended though nobody asked it to; `tail` is the end of its log."""

    def __init__(self, message: str, tail: list[str]) -> None:
        super().__init__(message)
        self.tail = tail


class StartStopped(Exception):
    """A stop was asked for before the service was healthy."""


class Running:
    """A service that was started, in a session of its own: a Ctrl-C in the terminal does not reach it.

    `mark` is the word that its processes carry. Raises UserError when its program cannot be run.
    """

    def __init__(self, service: Service, mark: str, *, attached: bool = True) -> None:
        self.service = service
        self._mark = mark
        self._copied: _Copier | None = None
        shown = service.shown and attached
        output = service.output or service.log
        for path in {output, service.log}:
            _set_aside(path)
        with output.open("ab") as file:
            try:
                self._child = subprocess.Popen(
                    service.command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if shown else file,
                    stderr=file,
                    cwd=service.folder,
                    env=inherited_environment(**service.environment, **{processes.MARK: mark}),
                    start_new_session=True,
                )
            except OSError as error:
                raise UserError(f"{service.name} cannot be started: {service.command[0]}: {error.strerror}") from None
        self.began = time.monotonic()
        self.identity = processes.identity(self._child.pid)
        if shown and self._child.stdout:
            self._copied = _Copier(self._child.stdout, output)

    def show(self) -> None:
        """Let what a shown service prints appear from now on."""
        if self._copied:
            self._copied.may_show = True

    def exit_code(self) -> int | None:
        """The exit code once it has ended; the negative number of the signal that ended it."""
        return self._child.poll()

    def await_health(self, step: Step, stopped: Callable[[], bool]) -> None:
        """Wait until the service is healthy and say meanwhile what it does.

        Raises ServiceDied when it ends before, UserError when it takes too long, StartStopped when `stopped` says so.
        """
        service = self.service
        deadline = time.monotonic() + service.patience
        while not service.healthy():
            if stopped():
                step.result = "interrupted"
                raise StartStopped
            self.check("while it started")
            if time.monotonic() > deadline:
                raise self.silence()
            lines = tail(service.log, 1)
            step.doing(_LOG_PREFIX.sub("", service.plain(lines[0])) if lines else "starting")
            time.sleep(POLL_SECONDS)
        self.check("while it started")

    def check(self, when: str) -> None:
        """Raise ServiceDied if the service has ended."""
        if self.exit_code() is not None:
            raise self.death(when)

    def death(self, when: str) -> ServiceDied:
        """What is to be said of a service that has ended."""
        code = self.exit_code() or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ServiceDied(f"{self.service.name} {how} {when}; its log is {self.service.log}", self._tail())

    def silence(self) -> ServiceDied:
        """What is to be said of a service that does not become healthy."""
        message = (
            f"{self.service.name} does not answer after {self.service.patience:.0f} s; its log is {self.service.log}"
        )
        return ServiceDied(message, self._tail())

    def stop(self, grace: float | None = None) -> bool:
        """End it and all it started, within its grace unless another is given; whether it went without SIGKILL."""
        willing = processes.end(self.identity, self._mark, self.service.grace if grace is None else grace)
        self.reap()
        return willing

    def reap(self) -> None:
        """Take note of its end, and of the last that it printed."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(5)
        if self._copied:
            self._copied.join(5)

    def _tail(self) -> list[str]:
        paths = [path for path in (self.service.output, self.service.log) if path]
        return [self.service.plain(line) for path in paths for line in tail(path, TAIL_LINES)]


class _Copier(threading.Thread):
    """Copies what a service prints to its log, and to our stdout from the moment that it may."""

    def __init__(self, source: IO[bytes], log: Path) -> None:
        super().__init__(name="output", daemon=True)
        self.may_show = False
        self._source, self._log = source, log
        self.start()

    def run(self) -> None:
        with self._log.open("ab", buffering=0) as log:
            while chunk := os.read(self._source.fileno(), 65_536):
                log.write(chunk)
                # A terminal that was closed must not end the copying.
                with suppress(OSError, ValueError):
                    if self.may_show:
                        sys.stdout.buffer.write(chunk)
                        sys.stdout.buffer.flush()


def _set_aside(path: Path) -> None:
    """Begin a log afresh and keep the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.replace(path, path.with_name(path.name + ".previous"))
    path.touch()


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file that are not empty; none where there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65_536))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return list(deque((line.rstrip() for line in text.splitlines() if line.strip()), maxlen=lines))

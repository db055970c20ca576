"""The terminal side of every script: exit codes, logging, signals, and where errors become messages."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from types import FrameType
from typing import TextIO

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """What a script tells the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


class UserError(Exception):
    """An error that a user can cause and mend: one line that says what, where, and what to do next."""

    exit_code = ExitCode.FAILED


class UsageError(UserError):
    """Options, environment variables or files whose content is wrong."""

    exit_code = ExitCode.USAGE


class Interrupted(BaseException):
    """The second signal: the user does not want to wait for a clean end."""


class StopRequest:
    """Turns SIGINT and SIGTERM into a flag that the work looks at; a second signal raises `Interrupted`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __enter__(self) -> StopRequest:
        self._previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._event.is_set():
            raise Interrupted
        self._event.set()

    def set(self) -> None:
        """Ask for the stop from within the program."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until a stop is asked for, `seconds` at most; whether it was."""
        return self._event.wait(seconds)


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stderr is now, so that a progress bar that borrows it stays whole."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        pass


def set_up_logging(debug: bool) -> None:
    """Log to stderr, so that stdout carries results alone."""
    handler = _CurrentStderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True)


def safe_text(text: str, limit: int = 200) -> str:
    """Text from outside, shortened and with its control characters escaped, fit for a terminal."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return shown + "…" if len(text) > limit else shown


def start(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    argv: list[str] | None,
) -> int:
    """Parse the command line, run the script and return its exit code.

    Every error a user can cause ends here as one line on stderr; `--debug` shows the traceback instead.
    """
    try:
        settings = parser.parse_args(argv)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    set_up_logging(settings.debug)
    try:
        code = run(settings)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our stdout has gone (`| head`): nothing is wrong, and the flush at exit must not complain.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except UserError as error:
        _report(parser.prog, str(error), settings.debug)
        return error.exit_code
    except (KeyboardInterrupt, Interrupted):
        _report(parser.prog, "interrupted before the work could end well", settings.debug)
        return ExitCode.INTERRUPTED
    except Exception as error:
        message = f"{type(error).__name__}: {error} (run it again with --debug for the details)"
        _report(parser.prog, message, settings.debug)
        return ExitCode.FAILED


def _report(program: str, message: str, debug: bool) -> None:
    if debug:
        log.error("%s", message, exc_info=True)
    else:
        print(f"{program}: {message}", file=sys.stderr)

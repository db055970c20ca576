"""The terminal side of every script: exit codes, logging, signals, and where errors become messages."""

from __future__ import annotations

import argparse
import atexit
import logging
import os
import queue
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    """Turns SIGINT, SIGTERM and SIGHUP into a flag that the work looks at; a second signal raises `Interrupted`.

    SIGHUP says that the terminal was closed. It comes more than once then, so it is never a second signal; where it is
    ignored (nohup), it stays so.
    """

    def __init__(self) -> None:
        self._set = False
        # Its put may be called in a signal handler at any moment; that of an Event may wait for itself.
        self._wakening: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __enter__(self) -> StopRequest:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        self._previous = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        elif self._set:
            raise Interrupted
        self.set()

    def set(self) -> None:
        """Ask for the stop from within the program."""
        self._set = True
        self._wakening.put(None)

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Wait until a stop is asked for, `seconds` at most; whether it was."""
        if not self._set:
            with suppress(queue.Empty):
                self._wakening.get(timeout=max(seconds, 0))
                # Whoever else waits is to wake as well.
                self._wakening.put(None)
        return self._set


def _leave_terminal() -> None:
    """Send what is still to be printed nowhere: writing to a terminal that was closed fails."""
    for stream in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(stream).st_mode):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, by an exception, so that what it began is undone."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        raise Interrupted

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 sensor, 2,000 sensors."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
    # When all is done, and Python only tidies up, Ctrl-C would end it without the exit code.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
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

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline import console, runtime
from pipeline.console import Interrupted, StopRequest, UserError, signals_interrupt
from pipeline.settings import SettingsParser


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_for_a_stop(number):
    with StopRequest() as stop:
        assert not stop.is_set()

        send(number)

        assert stop.is_set()


def test_a_second_signal_interrupts():
    with StopRequest() as stop:
        send(signal.SIGTERM)

        with pytest.raises(Interrupted):
            send(signal.SIGINT)

        assert stop.is_set()


def test_a_closed_terminal_says_so_several_times_and_is_never_the_second_signal():
    with StopRequest() as stop:
        send(signal.SIGHUP)
        send(signal.SIGHUP)

        assert stop.is_set()


def test_an_ignored_hangup_stays_ignored():
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            send(signal.SIGHUP)

            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_a_signal_ends_the_wait_at_once():
    with StopRequest() as stop:
        timer = threading.Timer(0.2, send, (signal.SIGTERM,))
        timer.start()
        began = time.monotonic()

        assert stop.wait(60)
        assert time.monotonic() - began < 30
        timer.join()
        # It stays asked for, for everyone who waits.
        assert stop.wait(60)


def test_the_wait_ends_without_a_signal():
    with StopRequest() as stop:
        assert not stop.wait(0.01)


def test_sigterm_interrupts_work_that_must_be_undone():
    with pytest.raises(Interrupted), signals_interrupt():
        send(signal.SIGTERM)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("the disk is full; make room"), 1, "tool.py: the disk is full; make room"),
        (Interrupted(), 130, "tool.py: interrupted before the work could end well"),
        (ValueError("odd"), 1, "tool.py: ValueError: odd (run it again with --debug for the details)"),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_code(error, code, line, capsys):
    def fail(_settings: object) -> int:
        raise error

    parser = SettingsParser(prog="tool.py", description="A tool.", examples=[], environment={})

    assert console.start(parser, fail, []) == code
    assert capsys.readouterr().err.splitlines() == [line]


def test_ctrl_c_while_python_tidies_up_does_not_change_the_exit_code():
    # What a module holds is let go at the very end, when Python has given back the signals.
    program = """
import os, signal, sys
from pipeline import console
from pipeline.settings import SettingsParser

class Late:
    def __init__(self):
        self.kill, self.me, self.number = os.kill, os.getpid(), signal.SIGINT
    def __del__(self):
        self.kill(self.me, self.number)

late = Late()
sys.exit(console.start(SettingsParser(prog="x.py", description="", examples=[]), lambda settings: 3, []))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=runtime.ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (3, "")

"""Processes that a stack started, told from all others: by process id and time of creation, and by a mark.

The mark is an environment variable with a random word that every process of a stack inherits. A process id that the
system has given to another program since, or a program that only happens to run here, is never taken for ours.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec
import psutil

MARK = "SENSOR_STREAMING_STACK"
# The time of creation is told on the wall clock, which may have been set a little since.
CLOCK_TOLERANCE_SECONDS = 60.0
POLL_SECONDS = 0.05
KILL_SECONDS = 20.0
KILL_PASSES = 3
EXEC_SECONDS = 2.0
# What starts becomes another program at once, or as soon as a busy machine lets it.
YOUNG_SECONDS = 30.0
# The parent of the kernel's own threads.
KERNEL = 2


class Identity(msgspec.Struct, frozen=True):
    """A process for good: `created` is seconds since 1970."""

    pid: int
    created: float


def identity(pid: int) -> Identity:
    """The identity of a running process; raises psutil.NoSuchProcess."""
    return Identity(pid, psutil.Process(pid).create_time())


def find(who: Identity) -> psutil.Process | None:
    """The process if it still runs."""
    with suppress(psutil.Error):
        process = psutil.Process(who.pid)
        if abs(process.create_time() - who.created) < CLOCK_TOLERANCE_SECONDS and runs(process):
            return process
    return None


def marked(mark: str) -> list[psutil.Process]:
    """Every running process that carries the mark, this one left out."""
    others = [process for process in every() if process.pid != os.getpid()]
    _await_environments(process for process in others if _is_young(process))
    return [process for process in others if _carries(process, mark)]


def group(leader: Identity, mark: str) -> list[psutil.Process]:
    """The running processes of the group that `leader` leads or led, as far as they carry the mark."""
    found = list(of_group(leader.pid))
    _await_environments(found)
    return [process for process in found if _carries(process, mark)]


def end(leader: Identity, mark: str, grace: float) -> bool:
    """End a process and its group: SIGTERM to the leader, after `grace` seconds SIGKILL to all that is left.

    Returns whether it went without SIGKILL.
    """
    process = find(leader)
    if process and _carries(process, mark):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while group(leader, mark) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    left = group(leader, mark)
    willing = not left
    for _ in range(KILL_PASSES):
        if not left:
            break
        kill(left)
        # One look can miss a process that is just changing; another look finds it.
        left = group(leader, mark)
    return willing


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + KILL_SECONDS
    while any(runs(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def of_group(leader: int) -> Iterator[psutil.Process]:
    """Every process of a group, ended or not."""
    for process in every():
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == leader:
                yield process


def every() -> Iterator[psutil.Process]:
    """Every process of this machine, ended or not."""
    # psutil.process_iter() keeps what it found before, and takes a process whose id was used again for the one before.
    for pid in psutil.pids():
        with suppress(psutil.Error):
            yield psutil.Process(pid)


def _await_environments(processes: Iterable[psutil.Process]) -> None:
    """Wait for processes that show no environment, because they are just becoming another program (exec)."""
    deadline = time.monotonic() + EXEC_SECONDS
    for process in processes:
        with suppress(psutil.Error):
            while not process.environ() and runs(process) and time.monotonic() < deadline:
                # Linux tells of an exec only a tracer (ptrace) or root (netlink): all others have to look again, and
                # without a pause they would take the processor that the exec waits for.
                time.sleep(POLL_SECONDS)


def _is_young(process: psutil.Process) -> bool:
    """Whether a process began a moment ago; those of the kernel, which never show an environment, did not."""
    with suppress(psutil.Error):
        return time.time() - process.create_time() < YOUNG_SECONDS and process.ppid() != KERNEL
    return False


def _carries(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        return process.environ().get(MARK) == mark and runs(process)
    return False


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended yet."""
    # A zombie has ended: its parent has yet to ask how.
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False

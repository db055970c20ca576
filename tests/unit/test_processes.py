from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys

import psutil
import pytest
from harness import await_condition

from pipeline import processes
from pipeline.processes import Identity
from pipeline.settings import inherited_environment

MARK = f"test-{secrets.token_hex(8)}"
WAIT = "import signal, time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
WITH_CHILD = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True)\nchild.wait()"
)


@pytest.fixture
def spawn():
    """Starts a Python program in a session of its own and waits for its first line."""
    started = []

    def start(code: str, mark: str | None = MARK) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=inherited_environment(**{processes.MARK: mark}),
        )
        started.append(process)
        process.first_line = process.stdout.readline()
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_process_is_found_by_id_and_time_of_creation(spawn):
    process = spawn(WAIT)
    who = processes.identity(process.pid)

    assert processes.find(who).pid == process.pid
    assert processes.find(Identity(who.pid, who.created - 3600)) is None


def test_a_willing_process_ends_without_being_killed(spawn):
    process = spawn(WAIT)

    assert processes.end(processes.identity(process.pid), MARK, grace=60)
    assert process.wait(60) == -signal.SIGTERM


def test_a_deaf_process_is_killed_after_its_grace(spawn):
    process = spawn(DEAF)

    assert not processes.end(processes.identity(process.pid), MARK, grace=0.2)
    assert process.wait(60) == -signal.SIGKILL


def test_children_end_with_their_parent(spawn):
    process = spawn(WITH_CHILD)
    child = psutil.Process(int(process.first_line))

    processes.end(processes.identity(process.pid), MARK, grace=0.2)

    await_condition(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child has ended")


def test_children_that_outlive_their_parent_end_as_well(spawn):
    process = spawn(WITH_CHILD)
    who, child = processes.identity(process.pid), psutil.Process(int(process.first_line))
    process.kill()
    process.wait()

    processes.end(who, MARK, grace=60)

    await_condition(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child has ended")


@pytest.mark.parametrize("look", [lambda who: processes.group(who, MARK), lambda _: processes.marked(MARK)])
def test_a_child_that_is_just_becoming_another_program_is_found(spawn, monkeypatch, look):
    # given: Linux shows no environment between the old program and the new one
    process = spawn(WITH_CHILD)
    child, looks = int(process.first_line), []
    real = psutil.Process.environ

    def environ(self: psutil.Process) -> dict[str, str]:
        looks.append(self.pid)
        return {} if self.pid == child and looks.count(child) < 3 else real(self)

    monkeypatch.setattr(psutil.Process, "environ", environ)

    found = {one.pid for one in look(processes.identity(process.pid))}

    assert found >= {process.pid, child}


@pytest.mark.parametrize("mark", [None, "the-mark-of-others"])
def test_a_process_that_was_given_a_known_id_by_chance_is_left_alone(spawn, mark):
    # given: the id and the time of creation are those on record, the mark is not
    other = spawn(WAIT, mark)

    processes.end(processes.identity(other.pid), MARK, grace=0.2)

    assert other.poll() is None


def test_marked_processes_are_found_whatever_group_they_are_in(spawn):
    ours, other = spawn(WAIT), spawn(WAIT, "the-mark-of-others")

    found = {process.pid for process in processes.marked(MARK)}

    assert ours.pid in found
    assert other.pid not in found


def test_a_process_that_has_ended_and_was_not_asked_how_counts_as_ended(spawn):
    process = spawn("print('up', flush=True)")
    who = Identity(process.pid, psutil.Process(process.pid).create_time())
    await_condition(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "it has ended")

    assert processes.group(who, MARK) == []
    assert processes.end(who, MARK, grace=60)

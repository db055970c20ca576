from __future__ import annotations

import os
import secrets
import signal
import sys

import psutil
import pytest
from harness import await_condition, quiet_display

from pipeline import processes
from pipeline.console import UserError
from pipeline.services import Running, Service, ServiceDied, StartStopped, tail

MARK = f"test-{secrets.token_hex(8)}"
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def start(tmp_path):
    """Starts a Python program as a service; what is left of it is killed at the end."""
    started = []

    def begin(code: str, *, ready: str = "ready", attached: bool = True, **more: object) -> Running:
        log = tmp_path / "logs" / "tool.log"
        service = Service(
            name="tool",
            command=(sys.executable, "-uc", code),
            healthy=lambda: any(ready in line for line in tail(log, 100)),
            log=log,
            **more,  # type: ignore[arg-type]
        )
        started.append(Running(service, MARK, attached=attached))
        return started[-1]

    yield begin
    processes.kill(processes.marked(MARK))
    for running in started:
        running.reap()


def await_health(running: Running, stopped=lambda: False) -> None:
    with quiet_display().step("tool") as step:
        running.await_health(step, stopped)


def test_a_service_is_awaited_until_it_is_healthy_and_stopped_when_asked(start):
    running = start(f"print('ready'); {SLEEP}")

    await_health(running)

    assert running.exit_code() is None
    assert running.stop()
    assert running.exit_code() == -signal.SIGTERM


def test_a_service_that_dies_at_once_is_reported_with_the_end_of_its_log(start):
    running = start("import sys; [print('line', n) for n in range(50)]; sys.exit('the disk is full')")

    with pytest.raises(ServiceDied) as death:
        await_health(running)

    assert "tool ended with exit code 1 while it started; its log is" in str(death.value)
    assert death.value.tail[-1] == "the disk is full"
    assert len(death.value.tail) == 10


def test_a_service_that_a_signal_ended_is_reported_by_the_signals_name(start):
    running = start("print('ready'); import os; os.kill(os.getpid(), 9)")
    await_condition(lambda: running.exit_code() is not None, "it has ended")

    with pytest.raises(ServiceDied, match="tool was ended by SIGKILL while it ran"):
        running.check("while it ran")


def test_a_service_that_never_answers_is_given_up(start):
    running = start(SLEEP, patience=0.3)

    with pytest.raises(ServiceDied, match="tool does not answer after 0 s"):
        await_health(running)


def test_a_stop_ends_the_wait_for_health(start):
    running = start(SLEEP)

    with pytest.raises(StartStopped):
        await_health(running, stopped=lambda: True)


def test_a_service_that_ignores_sigterm_is_killed_with_its_children(start):
    running = start(
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('ready')\ntime.sleep(600)",
        grace=0.2,
    )
    await_health(running)
    assert len(processes.group(running.identity, MARK)) == 2

    assert not running.stop()

    assert processes.marked(MARK) == []
    assert running.exit_code() == -signal.SIGKILL


def test_a_service_is_no_member_of_our_process_group(start):
    # A Ctrl-C in the terminal goes to the whole group of the command in front.
    running = start(SLEEP)

    assert running.identity.pid in {process.pid for process in processes.of_group(running.identity.pid)}


def test_what_a_shown_service_prints_is_in_its_log_and_on_stdout_from_the_moment_that_it_may(
    start, capfdbinary, tmp_path
):
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    # To open a named pipe is to wait until the other side does.
    running = start(
        f"import sys\nsys.stderr.write('aside\\n')\nprint('ready')\nopen({str(go_on)!r})\nprint('then ü')\n{SLEEP}",
        shown=True,
    )
    await_health(running)
    running.show()
    go_on.write_bytes(b"")
    await_condition(lambda: "then ü" in tail(running.service.log, 10), "the rest is in the log")

    running.stop()

    assert capfdbinary.readouterr().out == "then ü\n".encode()
    assert sorted(tail(running.service.log, 10)) == ["aside", "ready", "then ü"]


def test_what_a_detached_service_prints_is_in_its_log_alone(start, capfdbinary):
    running = start(f"print('ready'); {SLEEP}", shown=True, attached=False)
    await_health(running)

    running.stop()

    assert capfdbinary.readouterr().out == b""
    assert tail(running.service.log, 10) == ["ready"]


def test_the_log_of_the_run_before_is_kept(start):
    first = start("print('ready once'); " + SLEEP)
    await_health(first)
    first.stop()

    second = start("print('ready twice'); " + SLEEP)
    await_health(second)

    log = second.service.log
    assert tail(log, 10) == ["ready twice"]
    assert tail(log.with_name("tool.log.previous"), 10) == ["ready once"]


def test_a_program_that_is_not_there_is_one_line(tmp_path):
    service = Service("tool", (str(tmp_path / "missing"),), lambda: True, tmp_path / "tool.log")

    with pytest.raises(UserError, match=r"tool cannot be started: .*missing: No such file or directory"):
        Running(service, MARK)


def test_the_environment_of_a_service_can_be_changed(start, monkeypatch):
    monkeypatch.setenv("TAKEN_OUT", "1")
    code = f"import os; print('ready', os.environ.get('TAKEN_OUT'), os.environ['ADDED']); {SLEEP}"
    running = start(code, environment={"TAKEN_OUT": None, "ADDED": "2"})

    await_health(running)

    assert tail(running.service.log, 1) == ["ready None 2"]
    assert psutil.Process(running.identity.pid).environ()[processes.MARK] == MARK


def test_the_tail_of_a_log_leaves_out_empty_lines_and_bears_any_bytes(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\n\n\xff\xfetwo\n   \nthree\n")

    assert tail(log, 2) == ["��two", "three"]
    assert tail(tmp_path / "missing", 2) == []

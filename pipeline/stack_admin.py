"""The commands of stack.py beside `up`: they work on what services.json says, from any terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from pipeline import options, processes, runtime, stack_state
from pipeline.console import ExitCode, StopRequest, UsageError, UserError
from pipeline.display import Display, plain_duration
from pipeline.stack_parts import PARTS
from pipeline.stack_state import Record, State

# Longer than an `up` takes to stop everything.
OWNER_SECONDS = 150.0
FOLLOW_SECONDS = 0.2


def how_to(command: str, folder: Path, *words: str) -> str:
    """How a person says a command of stack.py to a data folder."""
    where = () if folder == options.DATA_DIR.default else (options.DATA_DIR.flag, folder)
    return runtime.command("stack.py", command, *words, *where)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep the data folder for ourselves; raises UserError while another stack.py works on it."""

    def busy() -> None:
        raise UserError(
            f"another stack.py works in {folder}; wait for it, stop it with: {how_to('down', folder)}, "
            "or name another --data-dir (and other ports)"
        )

    with runtime.locked(folder / "lock", busy):
        yield


def refuse_if_running(folder: Path) -> None:
    """Raise UserError while services that were started from the folder run."""
    running = stack_state.load(folder).running()
    if running:
        names = ", ".join(f"{record.name} (pid {record.process.pid})" for record in running)
        raise UserError(
            f"already running from {folder}: {names}; stop with: {how_to('down', folder)}, "
            "or start a second stack with another --data-dir and other ports"
        )


def down(folder: Path, display: Display) -> int:
    """Stop what was started from the folder, in reverse order, and nothing else."""
    state = stack_state.load(folder)
    owner = _owner(state)
    if owner:
        with display.step("up", f"waiting until stack.py (pid {owner.pid}) has stopped everything") as step:
            # It stops everything itself and says so in its own terminal. One that is suspended has to wake up first.
            owner.terminate()
            owner.resume()
            deadline = time.monotonic() + OWNER_SECONDS
            while processes.runs(owner) and time.monotonic() < deadline:
                time.sleep(processes.POLL_SECONDS)
            step.result = "killed: it did not end when asked" if processes.runs(owner) else "stopped everything"
        processes.kill([owner])
        state = stack_state.load(folder)
    running = state.running()
    for record in reversed(running):
        with display.step(record.name, "stopping") as step:
            willing = processes.end(record.process, state.mark, record.grace)
            step.result = "stopped" if willing else "killed: it did not end when asked"
    strays = processes.marked(state.mark) if state.mark else []
    processes.kill(strays)
    if state.services or state.mark:
        stack_state.save(folder, State())
    if not (owner or running or strays):
        display.line(f"Nothing runs from {folder}")
    return ExitCode.DONE


def _owner(state: State) -> psutil.Process | None:
    process = processes.find(state.owner) if state.owner else None
    with suppress(psutil.Error):
        if process and any(word.endswith("stack.py") for word in process.cmdline()):
            return process
    return None


def status(folder: Path) -> int:
    """Print what was started from the folder; 0 when all of it runs and answers."""
    state = stack_state.load(folder)
    if not state.services:
        print(f"Nothing runs from {folder}; start it with: {how_to('up', folder)}")
        return ExitCode.FAILED
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("name", "pid", "since", "where", "state"):
        table.add_column(title, no_wrap=True)
    healthy = True
    for record in state.services:
        condition, good = _condition(record, state.mark, folder)
        healthy = healthy and good
        style = "green" if good else "red"
        age = plain_duration((datetime.now(UTC) - record.since).total_seconds())
        since = f"{record.since.astimezone():%H:%M:%S} ({age})"
        table.add_row(record.name, str(record.process.pid), since, record.address, f"[{style}]{condition}[/]")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    return ExitCode.DONE if healthy else ExitCode.FAILED


def _condition(record: Record, mark: str, folder: Path) -> tuple[str, bool]:
    if processes.find(record.process) is None or not record.runs(mark):
        return "ended", False
    part = PARTS.get(record.name)
    if part is None or part.answers is None:
        return "running", True
    deadline = time.monotonic() + 5
    while not (healthy := part.answers(folder, record.address)) and time.monotonic() < deadline:
        pass
    return ("healthy", True) if healthy else ("does not answer", False)


def logs(folder: Path, name: str, follow: bool) -> int:
    """Print the log of a service and, with `follow`, what is added to it until a signal."""
    path = folder / "logs" / f"{name}.log"
    if name not in {one.stem for one in path.parent.glob("*.log")}:
        there = ", ".join(sorted(one.stem for one in path.parent.glob("*.log"))) or "none yet"
        raise UsageError(f"there is no log of '{name}' in {path.parent}; there are: {there}")
    with StopRequest() as stop:
        file = path.open("rb")
        while True:
            while chunk := file.read(65_536):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            if not follow or stop.wait(FOLLOW_SECONDS):
                file.close()
                return ExitCode.DONE
            # A log that was begun afresh, because it grew large or the service was started again.
            with suppress(FileNotFoundError):
                if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                    file.close()
                    file = path.open("rb")


def reset(folder: Path, display: Display, *, sure: bool) -> int:
    """Remove the data folder after asking; raises UserError while services run from it, or without an answer."""
    if not folder.is_dir():
        display.line(f"There is no {folder}: nothing to remove")
        return ExitCode.DONE
    if not (folder / stack_state.FILE).exists():
        raise UsageError(f"{folder} is no data folder of stack.py (it has no {stack_state.FILE}): remove it by hand")
    with held(folder):
        refuse_if_running(folder)
        megabytes = stack_state.size(folder) / 1e6
        if not sure:
            if not sys.stdin.isatty():
                raise UsageError(f"reset removes {folder} ({megabytes:,.0f} MB); without a terminal, say --yes")
            answer = input(f"Remove {folder} with all messages, readings and logs ({megabytes:,.0f} MB)? [y/N] ")
            if answer.strip().lower() not in {"y", "yes"}:
                display.line("Kept")
                return ExitCode.FAILED
        stack_state.remove(folder)
    display.line(f"Removed {folder} ({megabytes:,.0f} MB)")
    return ExitCode.DONE

"""What the benchmarks share: peers' environments, rounds that take turns, and figures as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Timer
from typing import TypeVar

import psutil

from pipeline import runtime
from pipeline.console import ExitCode, Interrupted, signals_interrupt

RESULTS = runtime.FOLDER / "bench"
PEERS = Path(__file__).parent / "peers"
# How producer.py closes: seconds to the last acknowledgement, messages, messages a second, and what was asked for.
FINISHED = re.compile(r"finished after ([\d.]+) s: ([\d,]+) sent · ([\d,.]+)/s(?: \(asked ([\d,.]+)/s\))?")
# consumer.py has begun after so many seconds, and counts at least so many messages a second.
START_SECONDS, LEAST_COUNTED = 60.0, 5000
Server = TypeVar("Server")


@dataclass(frozen=True)
class Round:
    """One measurement: so many messages in so many seconds, and the processor seconds of all that took part."""

    messages: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


@dataclass(frozen=True)
class Result:
    """The rounds of one contestant, by the median of their rates; `ratio` is that to the baseline's."""

    name: str
    rate: float
    slowest: float
    fastest: float
    cpu_microseconds: float
    ratio: float


def peer_environment(name: str) -> Path:
    """The Python of an environment of its own with what `peers/<name>.txt` pins, made where it is missing."""
    pinned = PEERS / f"{name}.txt"
    folder = runtime.FOLDER / "peers" / name
    python, mark = folder / "bin" / "python", folder / pinned.name
    if not mark.exists() or mark.read_bytes() != pinned.read_bytes():
        print(f"installing the peers of {pinned.name}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*install, "-r", str(pinned)], check=True)
        mark.write_bytes(pinned.read_bytes())
    return python


def run_command(command: Sequence[str], parse: Callable[[str], tuple[int, float]]) -> Round:
    """Run a contestant; `parse` finds messages and seconds in what it printed.

    Processor time is that of its whole life. Raises RuntimeError where it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    messages, seconds = parse(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Round(messages, seconds, cpu)


def by_json(text: str) -> tuple[int, float]:
    """Messages and seconds from the line of JSON that a contestant prints last."""
    *_, last = (line for line in text.splitlines() if line.startswith("{"))
    told = json.loads(last)
    return told["messages"], told["seconds"]


def by_producer(text: str) -> tuple[int, float]:
    """Messages, and seconds to the last acknowledgement, from what producer.py says at its end."""
    found = FINISHED.search(text)
    if not found:
        raise RuntimeError(f"producer.py did not finish:\n{text}")
    return int(found[2].replace(",", "")), float(found[1])


@contextmanager
def script(log: Path, *words: object) -> Iterator[psutil.Popen]:
    """One of our scripts, ended at the end."""
    with log.open("wb") as file:
        process = psutil.Popen(
            [sys.executable, *map(str, words)], stdout=file, stderr=subprocess.STDOUT, cwd=runtime.ROOT
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)


@contextmanager
def consuming(servers: str, topic: str, count: int, interval: float) -> Iterator[psutil.Popen]:
    """consumer.py that counts a topic from its beginning; each `interval` seconds it tells a table as a line of JSON.

    It is ended at the end, and killed once `count` messages should long be counted: who waits for a line then finds
    the end of its output.
    """
    words = ["--servers", servers, "--topic", topic, "--from-beginning", "--interval", str(interval)]
    command = [sys.executable, str(runtime.ROOT / "consumer.py"), *words, "--format", "json"]
    with psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        watchdog = Timer(START_SECONDS + count / LEAST_COUNTED, child.kill)
        watchdog.start()
        try:
            yield child
        finally:
            child.terminate()
            child.wait()
            watchdog.cancel()


@contextmanager
def server(
    given: str | None, own: Callable[[Path], AbstractContextManager[Server]], address: Callable[[Server], str]
) -> Iterator[str]:
    """The address of a server: the one given, or that of one of our own for as long as we need it."""
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder, own(Path(folder)) as started:
        yield address(started)


def peak_memory(pid: int) -> int:
    """The most bytes that a process had in memory until now, as Linux counts them."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(kilobytes)


def run(main: Callable[[], int]) -> int:
    """A benchmark's exit code; asked to stop, by Ctrl-C or a signal, it ends all that it started before it goes."""
    try:
        with signals_interrupt():
            return main()
    except (KeyboardInterrupt, Interrupted):
        print("interrupted: what was started is ended, nothing was kept", file=sys.stderr)
        return ExitCode.INTERRUPTED


def contest_parser(about: str, messages: int, rounds: int) -> argparse.ArgumentParser:
    """The options of a contest, with these defaults."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--messages", type=int, default=messages, help=f"readings in each round (default: {messages})")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"rounds of each contestant (default: {rounds})")
    return parser


def in_turns(contestants: Mapping[str, Callable[[int], Round]], rounds: int) -> dict[str, list[Round]]:
    """Each contestant so many times, in turns, so that whatever else the machine does meets all of them."""
    measured: dict[str, list[Round]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, run in contestants.items():
            measured[name].append(run(number))
            print(f"  {number + 1}/{rounds} {name}: {measured[name][-1].rate:,.0f}/s", file=sys.stderr)
    return measured


def results(measured: Mapping[str, Sequence[Round]], baseline: str) -> list[Result]:
    """The figures of all contestants, each with its ratio to the baseline's."""
    medians = {name: statistics.median(one.rate for one in rounds) for name, rounds in measured.items()}
    return [
        Result(
            name,
            medians[name],
            min(one.rate for one in rounds),
            max(one.rate for one in rounds),
            statistics.median(1e6 * one.cpu_seconds / one.messages for one in rounds),
            medians[name] / medians[baseline],
        )
        for name, rounds in measured.items()
    ]


def table(found: Sequence[Result], baseline: str) -> str:
    """The figures as a Markdown table."""
    lines = [
        f"| | messages a second, median | slowest … fastest | µs of processor a message | to “{baseline}” |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.rate:,.0f} | {one.slowest:,.0f} … {one.fastest:,.0f} | {one.cpu_microseconds:.1f} "
        f"| {one.ratio:.2f} |"
        for one in found
    ]
    return "\n".join(lines)


def keep(name: str, found: Sequence[Result], baseline: str, about: str) -> None:
    """Print the figures, and keep them as JSON in RESULTS, with what is needed to judge them."""
    more = {"baseline": baseline, "results": [asdict(one) for one in found]}
    keep_table(name, about, table(found, baseline), more)


def keep_table(name: str, about: str, shown: str, more: Mapping[str, object] | None = None) -> None:
    """Print a Markdown table of another kind, and keep it in the same manner; `more` goes beside it.

    With it are kept the date, the commit (a + says that its code was changed) and the machine. What was measured with
    options of its own is a trial: it is printed alone, and what was kept before stays.
    """
    print(f"\n{about}\n\n{shown}", flush=True)
    if sys.argv[1:]:
        print("\na trial: without options the figures are kept for docs/performance.md", file=sys.stderr)
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    origin = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **COMMIT}
    written = {"about": about, **origin, "machine": MACHINE, "table": shown, **(more or {})}
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=1) + "\n")


def _commit() -> dict[str, str]:
    """The commit that was measured; nothing where there is no git."""
    git = partial(subprocess.run, capture_output=True, text=True, check=True, cwd=runtime.ROOT)
    try:
        name = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!*.md"]).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": f"{name}+" if changed else name}


def _pace() -> float:
    """Millions of additions a second in a loop of Python's: how fast a processor of this machine is at the moment."""
    count, best = 1_000_000, math.inf
    for _ in range(5):
        began, total = time.perf_counter(), 0
        for number in range(count):
            total += number
        best = min(best, time.perf_counter() - began)
    return count / best / 1e6


def _machine() -> dict[str, object]:
    """Processors, their model where Linux names it, their pace, system and Python."""
    told = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", told.read_text(encoding="utf-8") if told.exists() else "", re.MULTILINE)
    return {
        "processors": os.cpu_count(),
        "pace": round(_pace(), 1),
        **({"model": model[1]} if model else {}),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


# Asked at the start: while it is measured for minutes, someone may go on with the code, and the processors are at work.
COMMIT, MACHINE = _commit(), _machine()

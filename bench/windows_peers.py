"""How fast windows are counted, against libraries that do it in Python: Quix Streams and Pathway.

All read the same topic from its beginning and make windows of ten seconds for each type and location with count, mean,
minimum and maximum; spark_job.py also judges every field, counts what comes twice once, keeps its state where it
survives, and writes to MongoDB. In each round all readings must be in the windows' counts.

Seconds and processor time count from a peer's first reading to its last result, and for spark_job.py from the moment
when its query runs to the end of its process. Processor time is that of all processes of the contestant, and of mongod
where it writes there; the broker's is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import psutil
import sinks
from backlog import CACHE_GB, LOG_END, Backlog, Processors, fill, job, looks, worked_off
from harness import local_broker, local_mongod
from measuring import Round, contest_parser, in_turns, keep, results
from sinks import Target

from pipeline.settings import inherited_environment

BASELINE = "Quix Streams, 3 processes"
PATHWAY, PATHWAY_TWICE, OURS = "Pathway", "Pathway, 2 threads", "spark_job.py --queries windows"
# A group's members wait for each other, as they do by default: one that came first would read all partitions.
JOINING = "group.initial.rebalance.delay.ms=3000"


def has_ended(process: psutil.Popen) -> bool:
    """Whether a process has ended."""
    return process.poll() is not None


def run_peers(command: Sequence[str], folder: Path, processes: int, environment: dict[str, str | None]) -> Round:
    """A peer's round, in so many processes: its messages are what the windows' last results have counted.

    Raises RuntimeError where a process fails, or does not end because it does not find all readings.
    """
    outputs = [(folder / f"{number}.out", folder / f"{number}.err") for number in range(processes)]
    started: list[psutil.Popen] = []
    try:
        for out, err in outputs:
            with out.open("wb") as stdout, err.open("wb") as stderr:
                given = inherited_environment(**environment)
                started.append(psutil.Popen(command, stdout=stdout, stderr=stderr, env=given))
        # The peers tell moments of the system's clock.
        seen = looks(Processors(started), lambda: all(map(has_ended, started)))
        used = [(time.time(), seconds) for _, seconds in seen]
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
            one.wait()
    for one, (_, err) in zip(started, outputs, strict=True):
        if one.returncode:
            raise RuntimeError(f"{command[1]} failed:\n{err.read_text(errors='replace')[-LOG_END:]}")
    told = [json.loads(out.read_text().splitlines()[-1]) for out, _ in outputs]
    at_work = [one for one in told if one["windows"]]
    if not at_work:
        raise RuntimeError(f"{command[1]} counted nothing")
    return _round(at_work, used)


def _round(told: Sequence[dict[str, Any]], used: Sequence[tuple[float, float]]) -> Round:
    """A round of what processes have told, and of the processor seconds that all had used until each moment."""
    # A window that went from one process to another was counted further there.
    windows: dict[str, int] = {}
    for one in told:
        for name, count in one["windows"].items():
            windows[name] = max(count, windows.get(name, 0))
    began, ended = min(one["began"] for one in told), max(one["ended"] for one in told)
    before, after = np.interp([began, ended], *np.array(used).T)
    return Round(sum(windows.values()), ended - began, float(after - before))


class Contest(Backlog):
    """The contestants against one broker and one mongod."""

    def contestants(self) -> dict[str, Callable[[int], Round]]:
        """By name, what runs a round of each."""
        return {
            "Quix Streams": lambda _: self._peer(sinks.windows_quix, 1),
            BASELINE: lambda _: self._peer(sinks.windows_quix, 3),
            PATHWAY: lambda _: self._peer(sinks.windows_pathway, 1),
            # What `pathway spawn --threads 2` sets.
            PATHWAY_TWICE: lambda _: self._peer(sinks.windows_pathway, 1, PATHWAY_THREADS="2"),
            OURS: lambda _: self._ours(),
        }

    def _peer(self, command: Callable[[Target, int], list[str]], processes: int, **environment: str | None) -> Round:
        with self._target() as target:
            words = [*command(target, self._count), f"windows-{target.database}"]
            return self._checked(run_peers(words, target.folder, processes, environment))

    def _ours(self) -> Round:
        with self._target() as target:
            with job(target, "windows") as started:
                done = worked_off(started, self._count, [self._mongod])[0]
            windows = self._client[target.database]["windowed_metrics"]
            (found,) = windows.aggregate([{"$group": {"_id": None, "count": {"$sum": "$count"}}}])
            return self._checked(Round(found["count"], done.seconds, done.cpu_seconds))

    def _checked(self, done: Round) -> Round:
        if done.messages != self._count:
            raise RuntimeError(f"the windows have {done.messages:,} of {self._count:,} readings")
        return done


def contest(name: str, options: argparse.Namespace, *chosen: str, baseline: str = BASELINE) -> None:
    """Let the chosen ones work off `options.messages` readings in `options.rounds` rounds, and keep the figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        local_broker(Path(folder) / "kafka", more=lambda _: JOINING) as broker,
        local_mongod(Path(folder) / "mongod", cache_gb=CACHE_GB) as mongod,
    ):
        fill(broker.servers, options.messages)
        process = psutil.Process(mongod.running.identity.pid)
        every = Contest(broker.servers, mongod.uri, process, Path(folder), options.messages).contestants()
        measured = in_turns({one: every[one] for one in chosen or every}, options.rounds)
    about = (
        f"Windows of ten seconds over a backlog of {options.messages:,} readings, {options.rounds} rounds in turns, "
        "three partitions, broker and contestant on the same machine."
    )
    keep(name, results(measured, baseline), baseline, about)


def main() -> int:
    """Run the contest and print its figures."""
    contest("windows", contest_parser(__doc__, 1_000_000, 3).parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

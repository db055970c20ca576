"""How fast windows are counted, against libraries that do it in Python: Quix Streams and Pathway.

All read the same topic from its beginning and make windows of ten seconds for each type and location with count, mean,
minimum and maximum; spark_job.py also judges every field, counts what comes twice once, keeps its state where it
survives, and writes to MongoDB. Pathway and Quix Streams count their seconds from the first reading that they see to
the last result, spark_job.py from the moment when its query runs to the end of the process.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import sinks
from backlog import TOPIC, fill, job, worked_off
from harness import local_broker, local_mongod
from measuring import Round, by_json, contest_parser, in_turns, keep, results, run_command
from sinks import Target

BASELINE = "Quix Streams"


class Contest:
    """The contestants against one broker and one mongod."""

    def __init__(self, servers: str, uri: str, folder: Path, count: int) -> None:
        self._servers, self._uri, self._folder, self._count = servers, uri, folder, count

    def contestants(self) -> dict[str, Callable[[int], Round]]:
        """By name, what runs a round of each."""
        return {
            BASELINE: lambda _: run_command(sinks.windows_quix(self._target(), self._count), by_json),
            "Pathway": lambda _: run_command(sinks.windows_pathway(self._target(), self._count), by_json),
            "spark_job.py --queries windows": lambda _: self._ours(),
        }

    def _target(self) -> Target:
        database = f"bench_{secrets.token_hex(4)}"
        target = Target(self._servers, TOPIC, self._uri, database, self._folder / database)
        target.folder.mkdir()
        return target

    def _ours(self) -> Round:
        with job(self._target(), "windows") as started:
            return worked_off(started, self._count)[0]


def main() -> int:
    """Run the contest and print its figures."""
    options = contest_parser(__doc__, 1_000_000, 3).parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "kafka") as broker,
        local_mongod(Path(name) / "mongod") as mongod,
    ):
        fill(broker.servers, options.messages)
        contest = Contest(broker.servers, mongod.uri, Path(name), options.messages)
        measured = in_turns(contest.contestants(), options.rounds)
    about = (
        f"Windows of ten seconds over a backlog of {options.messages:,} readings, {options.rounds} rounds in turns, "
        "three partitions, broker and contestant on the same machine."
    )
    keep("windows", results(measured, BASELINE), BASELINE, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())

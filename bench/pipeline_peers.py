"""How fast a backlog gets from Kafka into MongoDB, against what people would use instead.

The same topic is stored by each in turns, in a database of its own with the same indexes. The peers store readings and
no more; spark_job.py also judges every field, makes windows, alerts and alarms, and stores what comes twice once.

Seconds count from the first document in MongoDB to the last one; for spark_job.py with everything on, to the end of the
process, when its windows and alerts are there as well. Processor time is that of the contestant from the start of its
processes to the same end, so the start of Java and Python is in it for each of them, and that of mongod meanwhile, over
all readings. When a contestant begins to read cannot be seen from outside in the same way for all, and what it does for
its first document is work on the backlog.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import measuring
import psutil
import sinks
from backlog import CACHE_GB, Backlog, fill, job, stored
from harness import local_broker, local_mongod
from measuring import Round, contest_parser, in_turns, keep, results
from sinks import COLLECTION, Peer, Target
from windows_peers import JOINING

from pipeline import store
from pipeline.console import counted

BASELINE = "Quix Streams, 3 processes"
# What the job with everything on may take, beyond its last reading.
END_SECONDS = 300.0


class Contest(Backlog):
    """The contestants against one broker and one mongod."""

    def contestants(self) -> dict[str, Callable[[int], Round]]:
        """By name, what runs a round of each."""
        return {
            "Quix Streams": lambda _: self._peer(lambda target: sinks.quix(target, 1)),
            BASELINE: lambda _: self._peer(lambda target: sinks.quix(target, 3)),
            "Kafka Connect, by id, 1 task": lambda _: self._peer(lambda target: sinks.connect(target, "by id", 1)),
            "Kafka Connect, by id, 3 tasks": lambda _: self._peer(lambda target: sinks.connect(target, "by id", 3)),
            "Kafka Connect, inserting, 3 tasks": lambda _: self._peer(
                lambda target: sinks.connect(target, "insert", 3)
            ),
            "a loop by hand, inserting": lambda _: self._peer(lambda target: sinks.loop(target, 1)),
            "a loop by hand, inserting, 3 processes": lambda _: self._peer(lambda target: sinks.loop(target, 3)),
            "spark_job.py --queries readings": lambda _: self._ours("readings"),
            "spark_job.py, everything on": lambda _: self._ours("readings", "windows", "router", to_the_end=True),
        }

    def _peer(self, run: Callable[[Target], AbstractContextManager[list[Peer]]]) -> Round:
        with self._target() as target:
            store.ensure(target.uri, target.database)
            # Our validator asks for fields that only our job writes.
            self._client[target.database].command("collMod", COLLECTION, validator={})
            with run(target) as started:
                collection = self._client[target.database][COLLECTION]
                return stored(collection, self._count, started, [self._mongod], lambda: sinks.check(started))

    def _ours(self, *queries: str, to_the_end: bool = False) -> Round:
        with self._target() as target, job(target, *queries) as started:
            collection = self._client[target.database][COLLECTION]
            has_ended = (lambda: started.poll() is not None) if to_the_end else None
            found = stored(collection, self._count, [started], [self._mongod], started.check, has_ended)
            started.wait(END_SECONDS)
            started.check()
            return found


def main() -> int:
    """Run the contest and print its figures."""
    options = contest_parser(__doc__, 1_000_000, 3).parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "kafka", more=lambda _: JOINING) as broker,
        local_mongod(Path(name) / "mongod", cache_gb=CACHE_GB) as mongod,
    ):
        fill(broker.servers, options.messages)
        process = psutil.Process(mongod.running.identity.pid)
        contest = Contest(broker.servers, mongod.uri, process, Path(name), options.messages)
        measured = in_turns(contest.contestants(), options.rounds)
    about = (
        f"A backlog of {options.messages:,} readings into MongoDB, {counted(options.rounds, 'round')} in turns, three "
        "partitions, the same indexes for all, broker, mongod and contestant on the same machine. Processor time is "
        "that of the contestant, its start included, and of mongod."
    )
    keep("pipeline", results(measured, BASELINE), BASELINE, about)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

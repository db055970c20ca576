"""How fast a backlog gets from Kafka into MongoDB, against what people would use instead.

The same topic is stored by each in turns, in a database of its own with the same indexes. The peers store readings and
no more; spark_job.py also judges every field, makes windows, alerts and alarms, and stores what comes twice once.

Seconds count from the first document in MongoDB to the last one; for spark_job.py with everything on, to the end of the
process, when its windows and alerts are there as well. Processor time is that of the contestant and of mongod.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import sinks
from backlog import CACHE_GB, TOPIC, Job, Processors, fill, job
from harness import local_broker, local_mongod
from measuring import Round, contest_parser, in_turns, keep, results
from pymongo import MongoClient
from sinks import COLLECTION, Peer, Target

from pipeline import store

BASELINE = "Quix Streams, 3 processes"
POLL_SECONDS, PATIENCE_SECONDS = 0.02, 900.0


class Contest:
    """The contestants against one broker and one mongod."""

    def __init__(self, servers: str, uri: str, mongod: psutil.Process, folder: Path, count: int) -> None:
        self._servers, self._uri, self._mongod, self._folder, self._count = servers, uri, mongod, folder, count
        self._client: MongoClient[dict[str, object]] = MongoClient(uri)

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
            "spark_job.py --queries readings": lambda _: self._ours("readings"),
            "spark_job.py, everything on": lambda _: self._ours("readings", "windows", "router", to_the_end=True),
        }

    @contextmanager
    def _target(self) -> Iterator[Target]:
        database = f"bench_{secrets.token_hex(4)}"
        target = Target(self._servers, TOPIC, self._uri, database, self._folder / database)
        target.folder.mkdir()
        try:
            yield target
        finally:
            self._client.drop_database(database)

    def _peer(self, run: Callable[[Target], AbstractContextManager[list[Peer]]]) -> Round:
        with self._target() as target:
            store.ensure(target.uri, target.database)
            # Our validator asks for fields that only our job writes.
            self._client[target.database].command("collMod", COLLECTION, validator={})
            with run(target) as started:
                return self._watched(target, started, lambda: sinks.check(started))

    def _ours(self, *queries: str, to_the_end: bool = False) -> Round:
        with self._target() as target, job(target, *queries) as started:
            found = self._watched(target, [started], started.check, started if to_the_end else None)
            started.wait(PATIENCE_SECONDS)
            started.check()
            return found

    def _watched(
        self,
        target: Target,
        started: Sequence[psutil.Process],
        check: Callable[[], None],
        last: Job | None = None,
    ) -> Round:
        """Wait for all documents, and for the end of `last`."""
        collection = self._client[target.database][COLLECTION]
        processors = Processors([self._mongod, *started])
        deadline = time.monotonic() + PATIENCE_SECONDS
        first: tuple[float, float, int] | None = None
        used = 0.0
        while True:
            stored, now = collection.estimated_document_count(), time.monotonic()
            used = max(used, processors.seconds())
            if first is None and stored:
                first = now, used, stored
            if stored >= self._count and (last is None or last.poll() is not None):
                break
            if now > deadline:
                raise RuntimeError(f"{stored:,} of {self._count:,} readings after {PATIENCE_SECONDS:g} s")
            check()
            # mongod tells nobody how many documents it holds, and Linux nobody what a process uses: both are asked, so
            # rarely that asking costs the contestants next to nothing.
            time.sleep(POLL_SECONDS)
        assert first
        if stored != self._count:
            raise RuntimeError(f"{stored:,} documents for {self._count:,} readings")
        return Round(stored - first[2], now - first[0], used - first[1])


def main() -> int:
    """Run the contest and print its figures."""
    options = contest_parser(__doc__, 1_000_000, 3).parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        local_broker(Path(name) / "kafka") as broker,
        local_mongod(Path(name) / "mongod", cache_gb=CACHE_GB) as mongod,
    ):
        fill(broker.servers, options.messages)
        process = psutil.Process(mongod.running.identity.pid)
        contest = Contest(broker.servers, mongod.uri, process, Path(name), options.messages)
        measured = in_turns(contest.contestants(), options.rounds)
    about = (
        f"A backlog of {options.messages:,} readings into MongoDB, {options.rounds} rounds in turns, three partitions, "
        "the same indexes for all, broker, mongod and contestant on the same machine."
    )
    keep("pipeline", results(measured, BASELINE), BASELINE, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())

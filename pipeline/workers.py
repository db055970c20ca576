"""A producer run on several processes: each sends its share of the sensors, the parent adds up and stops them."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Literal

from pipeline.clock import SystemClock
from pipeline.console import UserError, set_up_logging
from pipeline.emulation import Job, Moment, emulate
from pipeline.pacing import Share
from pipeline.tally import Tally

log = logging.getLogger(__name__)

# How often a worker tells its counts and looks for a stop.
EXCHANGE_SECONDS = 0.2

State = Literal["ready", "running", "done"]


class _Line:
    """A worker's end of the pipe to its parent."""

    def __init__(self, pipe: Connection, clock: SystemClock) -> None:
        self._pipe, self._clock = pipe, clock
        self._next = 0.0
        self._stopped = False

    def report(self, tally: Tally) -> None:
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + EXCHANGE_SECONDS
        try:
            self._pipe.send(("running", tally))
            if self._pipe.poll():
                self._pipe.recv()
                self._stopped = True
        except (EOFError, OSError):
            # The parent is gone: what it would have stopped stops now.
            self._stopped = True

    def stopped(self) -> bool:
        return self._stopped


def _work(job: Job, share: Share, pipe: Connection, debug: bool) -> None:
    # A Ctrl-C in the terminal reaches every process of the group; only the parent acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    set_up_logging(debug)
    clock = SystemClock()
    line = _Line(pipe, clock)
    try:
        pipe.send(("ready", Tally()))
        moment = pipe.recv()
        tally = emulate(job, share, clock, moment, line.stopped, line.report)
        pipe.send(("done", tally))
    except (EOFError, OSError) as error:
        log.debug("worker %d ends: its parent is gone (%s)", share.part, error)


class Workers:
    """The processes of a run. Leaving the context ends whatever is left of them."""

    def __init__(self, job: Job, processes: int, *, debug: bool) -> None:
        self._job, self._processes, self._debug = job, processes, debug
        self._tallies: dict[Connection, Tally] = {}
        self._members: dict[Connection, multiprocessing.process.BaseProcess] = {}

    def __enter__(self) -> Workers:
        # A fresh interpreter each: the Kafka client's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        for part in range(self._processes):
            ours, theirs = context.Pipe()
            share = Share(part, self._processes)
            process = context.Process(target=_work, args=(self._job, share, theirs, self._debug), daemon=True)
            process.start()
            theirs.close()
            self._members[ours] = process
        return self

    def __exit__(self, *exc: object) -> None:
        for pipe, process in self._members.items():
            if process.is_alive():
                process.kill()
            process.join()
            pipe.close()

    def await_ready(self) -> None:
        """Wait until every process could begin; raises UserError when one ends unexpectedly."""
        for pipe in self._members:
            self._receive(pipe)

    def run(self, moment: Moment, stopped: Callable[[], bool], report: Callable[[Tally], None]) -> Tally:
        """Run until all are done; returns the counts. Raises UserError when a process ends unexpectedly."""
        for pipe in self._members:
            pipe.send(moment)
        busy = set(self._members)
        told = False
        while busy:
            if stopped() and not told:
                told = True
                for pipe in busy:
                    pipe.send("stop")
            ready = wait(list(busy), timeout=EXCHANGE_SECONDS)
            busy -= {pipe for pipe in busy if pipe in ready and self._receive(pipe) == "done"}
            report(self._total())
        return self._total()

    def _receive(self, pipe: Connection) -> State:
        try:
            state, tally = pipe.recv()
        except (EOFError, OSError):
            process = self._members[pipe]
            process.join()
            raise UserError(
                f"a sending process ended unexpectedly (exit code {process.exitcode}); the others are stopped, "
                "run again with --debug to see why"
            ) from None
        self._tallies[pipe] = tally
        received: State = state
        return received

    def _total(self) -> Tally:
        total = Tally()
        for tally in self._tallies.values():
            total.add(tally)
        return total

"""Reading until it is time to stop: batches as they come, and something to do at every interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka.cimpl import Message

from pipeline.clock import Clock
from pipeline.console import StopRequest
from pipeline.intervals import Intervals
from pipeline.rejections import Rejections

# The client cannot be woken by a signal, so it never waits for longer.
LONGEST_WAIT_SECONDS = 0.1


class Reader(Protocol):
    """Where batches come from."""

    def read(self, seconds: float, *, at_once: bool = False) -> list[Message]:
        """The next records, after at most `seconds`."""


class Work(Protocol):
    """What is done with a topic's records; `rejections` counts those that were refused."""

    rejections: Rejections

    def take(self, records: list[Message]) -> None:
        """Handle a batch."""

    def interval(self) -> None:
        """Do what is due at every interval."""

    def finish(self) -> None:
        """Do what is due at the end."""


@dataclass(frozen=True)
class Timetable:
    """Seconds between two intervals, and how long to read (None: until a stop is asked for)."""

    interval: float
    duration: float | None = None


def read_until_stopped(
    reader: Reader,
    work: Work,
    timetable: Timetable,
    stop: StopRequest,
    clock: Clock,
    *,
    at_once: bool = False,
    is_done: Callable[[], bool] = lambda: False,
) -> None:
    """Read and handle until a stop is asked for, the time is over or `is_done`.

    `at_once` hands records over as they come, instead of gathering them for a tenth of a second.
    """
    start = clock.monotonic()
    end = math.inf if timetable.duration is None else start + timetable.duration
    intervals = Intervals(start, timetable.interval)
    while not stop.is_set() and not is_done():
        now = clock.monotonic()
        if intervals.is_due(now):
            work.interval()
        if now >= end:
            return
        wait = min(LONGEST_WAIT_SECONDS, intervals.next - now, end - now)
        records = reader.read(max(wait, 0.0), at_once=at_once)
        if records:
            work.take(records)

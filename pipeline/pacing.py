"""Sending a fleet's messages when they are due."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.clock import Clock
from pipeline.delivery import Delivery
from pipeline.faults import Fault
from pipeline.fleet import Fleet, Readings
from pipeline.ledger import LedgerWriter
from pipeline.messages import Message, MessageMaker
from pipeline.tally import Tally

log = logging.getLogger(__name__)

# A process wakes no more often than this, so that a fast fleet goes out in handfuls.
TICK_SECONDS = 0.002
LONGEST_WAIT_SECONDS = 0.1
# How many messages may go out between two looks at the signals and acknowledgements.
HANDFUL = 500


@dataclass(frozen=True)
class Share:
    """The part of a fleet that one process sends: the sensors whose number is `part` modulo `parts`."""

    part: int = 0
    parts: int = 1

    def of(self, readings: Readings) -> Readings:
        """The readings of these sensors."""
        return readings if self.parts == 1 else readings.select(readings.sensor % self.parts == self.part)


@dataclass(frozen=True)
class Limits:
    """When a run ends by itself: after `count` readings of the whole fleet, or `duration` seconds."""

    count: int | None = None
    duration: float | None = None


class Sender:
    """Sends readings by an absolute timetable: late when the broker makes it wait, but never lost and never drifting.

    `keep_going` is asked between handfuls and ends the run when it says False; it may also report.
    """

    def __init__(
        self,
        delivery: Delivery,
        tally: Tally,
        ledger: LedgerWriter | None,
        clock: Clock,
        keep_going: Callable[[], bool],
    ) -> None:
        self._delivery, self._tally, self._ledger = delivery, tally, ledger
        self._clock, self._keep_going = clock, keep_going

    def run(
        self, fleet: Fleet, maker: MessageMaker, share: Share, limits: Limits, *, origin: float, paced: bool = True
    ) -> None:
        """Send until a limit is reached or `keep_going` says no; `origin` is the timetable's instant 0 (monotonic)."""
        made = 0
        for block in fleet.readings():
            readings = self._within(block, limits, made)
            made += len(readings)
            if not self._send_all(maker, share.of(readings), origin, paced):
                return
            if len(readings) < len(block) or made == limits.count:
                break
        if made == limits.count or not paced:
            return
        # Without a duration the timetable itself has ended: by a rate of 0 that lasts until a stop.
        self._wait_until(math.inf if limits.duration is None else origin + limits.duration)

    @staticmethod
    def _within(block: Readings, limits: Limits, made: int) -> Readings:
        end = len(block)
        if limits.duration is not None:
            end = int(np.searchsorted(block.due, limits.duration))
        if limits.count is not None:
            end = min(end, limits.count - made)
        return block.select(slice(0, end))

    def _send_all(self, maker: MessageMaker, readings: Readings, origin: float, paced: bool) -> bool:
        messages = maker.make(readings)
        sent = 0
        while sent < len(messages):
            if not self._keep_going():
                return False
            due = len(messages)
            if paced:
                due = int(np.searchsorted(readings.due, self._clock.monotonic() - origin, side="right"))
            if due > sent:
                handful = messages[sent : min(due, sent + HANDFUL)]
                if not self._send(handful):
                    return False
                sent += len(handful)
                if paced:
                    self._tally.behind = self._clock.monotonic() - origin - float(readings.due[sent - 1])
                self._delivery.serve(0)
            else:
                self._wait(origin + float(readings.due[sent]))
        return True

    def _send(self, messages: list[Message]) -> bool:
        if not any(message.fault for message in messages):
            return self._hand_over(messages)
        for message in messages:
            if message.fault:
                self._tally.count_fault(message.fault)
            if message.fault == Fault.DROPPED:
                if self._ledger:
                    self._ledger.dropped(message)
                continue
            if not self._hand_over([message] * (2 if message.fault == Fault.DUPLICATE else 1)):
                return False
        return True

    def _hand_over(self, messages: list[Message]) -> bool:
        left = self._delivery.send(messages)
        while left:
            if not self._keep_going():
                return False
            self._delivery.serve(LONGEST_WAIT_SECONDS)
            left = self._delivery.send(left)
        return True

    def _wait(self, until: float) -> None:
        left = until - self._clock.monotonic()
        self._delivery.serve(min(max(left, TICK_SECONDS), LONGEST_WAIT_SECONDS))

    def _wait_until(self, end: float) -> None:
        while self._clock.monotonic() < end and self._keep_going():
            self._wait(end)

    def finish(self, *, keep_waiting: Callable[[], bool]) -> None:
        """Wait for the acknowledgements of everything sent, as long as `keep_waiting` says yes."""
        while self._delivery.waiting and keep_waiting():
            self._delivery.serve(LONGEST_WAIT_SECONDS)

"""One process's job in a producer run: its share of the fleet, sent and acknowledged."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline import broker
from pipeline.clock import Clock
from pipeline.delivery import KafkaDelivery, StdoutDelivery
from pipeline.fleet import Fleet
from pipeline.ledger import LedgerWriter
from pipeline.messages import MessageMaker
from pipeline.pacing import Limits, Sender, Share
from pipeline.tally import Tally

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a producer run does; `linger` is in milliseconds. Without a `link` the messages go to stdout."""

    fleet: Fleet
    run: str
    limits: Limits
    link: broker.Connection | None
    topic: str
    buffer: int
    linger: float
    flush_timeout: float
    ledger: Path | None
    paced: bool


@dataclass(frozen=True)
class Moment:
    """The timetable's instant 0: `origin` on the monotonic clock, `start` as the timestamp of its readings."""

    origin: float
    start: datetime


def emulate(
    job: Job,
    share: Share,
    clock: Clock,
    moment: Moment,
    stopped: Callable[[], bool],
    report: Callable[[Tally], None],
) -> Tally:
    """Send the share's messages and wait for their acknowledgements; returns the counts.

    `stopped` is asked often whether to end early;
    after that the acknowledgements are awaited for the job's flush timeout at most. `report` gets the counts often.
    """
    tally = Tally()
    ledger = LedgerWriter(job.ledger, job.run) if job.ledger else None

    def keep_going() -> bool:
        report(tally)
        return not stopped()

    delivery: StdoutDelivery | KafkaDelivery
    if job.link is None:
        delivery = StdoutDelivery(tally, sys.stdout, clock)
    else:
        make_producer = partial(broker.make_producer, job.link, linger=job.linger)
        buffer = max(job.buffer // share.parts, 1)
        delivery = KafkaDelivery(make_producer, job.topic, tally, ledger, clock, buffer)
    try:
        sender = Sender(delivery, tally, ledger, clock, keep_going)
        maker = MessageMaker(job.fleet, job.run, moment.start)
        sender.run(job.fleet, maker, share, job.limits, origin=moment.origin, paced=job.paced)
        tally.sending_ended = clock.monotonic()
        deadline: float | None = None

        def keep_waiting() -> bool:
            nonlocal deadline
            report(tally)
            if deadline is None and stopped():
                deadline = clock.monotonic() + job.flush_timeout
                log.info("stopping: the last acknowledgements are awaited for %g s at most", job.flush_timeout)
            return deadline is None or clock.monotonic() < deadline

        sender.finish(keep_waiting=keep_waiting)
        tally.awaiting_ended = clock.monotonic()
    finally:
        delivery.close()
        if ledger:
            ledger.close()
    return tally

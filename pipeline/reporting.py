"""What a producer tells its user while it runs: statistics in the log, and a progress bar on a terminal."""

from __future__ import annotations

import copy
import logging
import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pipeline.clock import Clock
from pipeline.emulation import Job
from pipeline.faults import Fault
from pipeline.tally import Tally, difference

log = logging.getLogger(__name__)

BAR_INTERVAL_SECONDS = 0.25
LONG_WAIT_SECONDS = 1.0
# A message that goes out so long after its time is late: the readings' timestamps and the rate say what is not so.
LATE_SECONDS = 1.0


class Reporter:
    """Prints statistics every `interval` seconds and at the end; use it as a context for the progress bar.

    `origin` is the monotonic instant of the timetable's 0.
    """

    def __init__(self, job: Job, clock: Clock, interval: float, origin: float) -> None:
        self._job, self._clock, self._interval, self._origin = job, clock, interval, origin
        self._last_time = origin
        self._last = Tally()
        self._next_bar = 0.0
        self._is_late = False
        self._progress: Progress | None = None
        limits = job.limits
        dry_run_on_terminal = job.link is None and sys.stdout.isatty()
        if (limits.count or limits.duration) and sys.stderr.isatty() and not dry_run_on_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
            self._task = self._progress.add_task("sending", total=limits.count or limits.duration)

    def __enter__(self) -> Reporter:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, tally: Tally) -> None:
        """Look at the counts so far and print what is due. Cheap enough to be called all the time."""
        now = self._clock.monotonic()
        if self._progress and now >= self._next_bar:
            self._next_bar = now + BAR_INTERVAL_SECONDS
            done = tally.sent if self._job.limits.count else now - self._origin
            self._progress.update(self._task, completed=done, description=f"{tally.sent:,} sent")
        if now >= self._last_time + self._interval:
            recent, seconds = difference(tally, self._last), now - self._last_time
            rate = f"{recent.sent / seconds:,.1f}/s{self._asked(self._last_time, now)}"
            log.info("%s sent · %s%s", f"{tally.sent:,}", rate, self._outcome(tally))
            if recent.sent:
                log.info("%s%s", self._latency(recent), self._kinds(recent))
            self._tell_if_late(tally)
            self._last, self._last_time = copy.deepcopy(tally), now

    def final(self, tally: Tally) -> None:
        """The figures of the whole run, whose seconds end with the last acknowledgement."""
        sending, whole = (max(end - self._origin, 1e-9) for end in (tally.sending_ended, tally.awaiting_ended))
        # A timetable was kept or not by the last message; without one, what counts is what has arrived.
        rate = tally.sent / (sending if self._job.paced else whole)
        rates = f"{rate:,.1f}/s{self._asked(self._origin, tally.sending_ended)}"
        log.info("finished after %.3f s: %s sent · %s%s", whole, f"{tally.sent:,}", rates, self._outcome(tally))
        log.info("%s%s", self._latency(tally), self._kinds(tally))
        if whole - sending > LONG_WAIT_SECONDS:
            log.info("of that, the last acknowledgements took %.1f s", whole - sending)
        self._is_late = False
        self._tell_if_late(tally)

    def _tell_if_late(self, tally: Tally) -> None:
        """A warning once the timetable is not kept, and another one if that happens again."""
        was_late, self._is_late = self._is_late, tally.behind > LATE_SECONDS
        if self._is_late and not was_late:
            log.warning(
                "messages go out %.1f s after their time: this process or the broker cannot keep that rate; "
                "ask for less, or for more --processes where processors are free",
                tally.behind,
            )

    def _asked(self, begin: float, end: float) -> str:
        """The timetable's own rate between two instants; what is sent after its end was late."""
        since, until = begin - self._origin, end - self._origin
        if self._job.limits.duration is not None:
            until = min(until, self._job.limits.duration)
        if not self._job.paced or until <= since:
            return ""
        return f" (asked {self._job.fleet.schedule.mean_rate(since, until):,.1f}/s)"

    def _kinds(self, tally: Tally) -> str:
        names = self._job.fleet.types
        types = [f"{names[index]} {count:,}" for index, count in sorted(tally.types.items())]
        labels = [f"normal {tally.sent - tally.anomalies:,}", f"anomaly {tally.anomalies:,}"]
        faults = [f"{Fault(fault).name.lower()} {count:,}" for fault, count in sorted(tally.faults.items())]
        return " · ".join(", ".join(part) for part in (types, labels, faults) if part)

    def _outcome(self, tally: Tally) -> str:
        if self._job.link is None:
            return ""
        waiting = f", {tally.waiting:,} waiting" if tally.waiting else ""
        return f" · {tally.acknowledged:,} acknowledged, {tally.failed:,} failed{waiting}"

    @staticmethod
    def _latency(tally: Tally) -> str:
        latency = tally.latency
        if not latency.count:
            return ""
        return f"latency mean {latency.mean * 1e3:.1f} ms, p95 {latency.percentile(0.95) * 1e3:.1f} ms · "

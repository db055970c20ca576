"""The comparison behind verify.py: what producers had acknowledged, by their ledger, against what MongoDB holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline import event_ids, oracle_alerts, oracle_windows, store_columns, store_queries
from pipeline.clock import Clock
from pipeline.console import counted
from pipeline.ledger import RunRecord
from pipeline.oracle_alerts import AlertsResult
from pipeline.oracle_readings import ReadingsCheck, SensorDifference
from pipeline.oracle_windows import WindowShape, WindowsResult, moment
from pipeline.rules import Rule
from pipeline.store import Store

log = logging.getLogger(__name__)

SENSORS_SHOWN = 20
POLL_SECONDS = 1.0
TELL_SECONDS = 5.0

Runs = dict[str, RunRecord]
Span = tuple[int, int]


@dataclass(frozen=True)
class LettersResult:
    """Messages that were malformed on purpose: `expected` as dead letters, `found` there, `unplaced` if unknown where.

    The broker does not tell the place of a message that it had already taken when it was sent again.
    """

    expected: int
    found: int
    unplaced: int

    @property
    def missing(self) -> int:
        """How many are no dead letter."""
        return self.expected - self.found


@dataclass(frozen=True)
class RunResult:
    """A run: `readings` were acknowledged (each counted once), `extra` is stored and was not acknowledged.

    `repaired` counts those of the extra ones that were sent malformed and came again, repaired. `differing` sensors
    are not as the ledger says, of which `sensors` has the first ones.
    """

    record: RunRecord
    readings: int
    stored: int
    missing: int
    extra: int
    repaired: int
    differing: int
    sensors: list[SensorDifference]
    letters: LettersResult

    @property
    def whole(self) -> bool:
        """Whether nothing that was acknowledged is missing."""
        return not (self.missing or self.letters.missing)


@dataclass(frozen=True)
class Verdict:
    """All that was compared.

    `dropped` is what the watermark kept out of the windows, over all runs that the database ever saw, `late` what the
    producers of this ledger made late on purpose.
    """

    runs: list[RunResult]
    windows: WindowsResult
    alerts: AlertsResult
    dropped: int
    late: int

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing or counted twice, and windows and alerts say what the readings say."""
        return all(run.whole for run in self.runs) and self.windows.agree and not self.alerts.missing


def compare(store: Store, runs: Runs, chosen: Sequence[str], rules: Sequence[Rule]) -> Verdict:
    """Compare the chosen ones of a ledger's runs with what is stored; raises StoreUnavailable and StoreError.

    `rules` are those by which the Spark job raised the alerts.
    """
    results: list[RunResult] = []
    spans: list[Span] = []
    for run in chosen:
        check = ReadingsCheck(runs[run])
        for part in store_columns.identities_of_run(store, run):
            check.add(part.sequences, part.sensors, part.instants)
        results.append(_run_result(runs[run], check, _letters(store, runs[run])))
        if check.first_instant is not None and check.last_instant is not None:
            spans.append((check.first_instant, check.last_instant))
    late = [event_id for record in runs.values() for event_id in _late_ids(record)]
    return Verdict(
        runs=results,
        windows=_windows(store, spans, late),
        alerts=_alerts(store, chosen, rules),
        dropped=store_queries.totals(store, "windows").get("late", 0),
        late=len(late),
    )


def _run_result(record: RunRecord, check: ReadingsCheck, letters: LettersResult) -> RunResult:
    sensors, differing = check.differences(SENSORS_SHOWN)
    return RunResult(
        record=record,
        readings=record.readings,
        stored=check.stored,
        missing=check.missing,
        extra=check.extra,
        repaired=check.repaired,
        differing=differing,
        sensors=sensors,
        letters=letters,
    )


def _letters(store: Store, record: RunRecord) -> LettersResult:
    places = {(record.about.topic, partition, offset) for partition, offset in record.malformed.values()}
    placed = [place for place in places if place[1] >= 0 and place[2] >= 0]
    found = sum(1 for _ in store_queries.known_dead_letters(store, placed))
    return LettersResult(expected=len(placed), found=found, unplaced=len(record.malformed) - len(placed))


def _late_ids(record: RunRecord) -> list[str]:
    places = np.array(sorted(record.late), dtype=np.int64).reshape(-1, 2)
    return event_ids.encode(record.about.run, places[:, 1], places[:, 0])


def _windows(store: Store, spans: list[Span], late: list[str]) -> WindowsResult:
    result = WindowsResult()
    try:
        shape = WindowShape.of(
            window
            for first, last in _joined(spans)
            for window in store_queries.windows_back_to(store, moment(first), moment(last))
        )
    except ValueError as error:
        result.problem = str(error)
        return result
    if shape is None:
        result.problem = "no window is stored in the time of these readings" if spans else None
        return result
    # Whole windows: the first that holds a run's first reading, to the one after the last that holds its last one.
    for first, last in _joined((shape.first_start(first), last) for first, last in spans):
        since, until = first, last // shape.slide * shape.slide + shape.slide
        readings = store_columns.measurements_between(store, moment(since), moment(until + shape.length), late)
        oracle_windows.compare(
            oracle_windows.recomputed(readings, shape, since, until),
            store_queries.windows_between(store, moment(since), moment(until)),
            result,
        )
    return result


def _alerts(store: Store, runs: Sequence[str], rules: Sequence[Rule]) -> AlertsResult:
    result = AlertsResult()
    limits = [(rule.sensor_type, rule.below, rule.above) for rule in rules]
    for run in runs:
        suspects = store_queries.readings_beyond(store, run, limits)
        oracle_alerts.compare(rules, suspects, partial(store_queries.alerts_of_run, store, run), result)
    return result


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans of time in order, those that overlap made one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def await_agreement(
    store: Store,
    read: Callable[[], Runs],
    chosen: Sequence[str],
    rules: Sequence[Rule],
    seconds: float,
    clock: Clock,
    *,
    tell: Callable[[str], None] = log.info,
    give_up: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Compare until all agrees, for so many seconds at most, and less when `give_up` says so.

    `read` reads the ledger anew: a producer that still runs adds to it. `tell` gets every few seconds what is waited
    for. Raises what `compare` does.
    """
    deadline = clock.monotonic() + seconds
    tell_at = clock.monotonic()
    while True:
        begun = clock.monotonic()
        if give_up():
            deadline = begun
        runs = read()
        arrived, expected = _arrived(store, runs, chosen)
        verdict = compare(store, runs, chosen, rules) if arrived >= expected or begun >= deadline else None
        now = clock.monotonic()
        if verdict and (verdict.agrees or now >= deadline):
            return verdict
        if now >= tell_at:
            tell_at = now + TELL_SECONDS
            tell(f"waiting, for {deadline - now:.0f} s more at most: {_progress(verdict, arrived, expected)}")
        # A comparison of millions of readings is work for the server too: it gets half of the time at most.
        clock.sleep(max(min(max(POLL_SECONDS, now - begun), deadline - now), 0.0))


def _arrived(store: Store, runs: Runs, chosen: Sequence[str]) -> tuple[int, int]:
    """How many readings are stored, and how many were acknowledged: a quick look before the comparison."""
    return sum(store_queries.count_readings(store, run) for run in chosen), sum(runs[run].readings for run in chosen)


def _progress(verdict: Verdict | None, arrived: int, expected: int) -> str:
    if verdict is None:
        return f"{arrived:,} of {expected:,} readings are stored"
    missing = sum(run.missing for run in verdict.runs)
    letters, alerts = sum(run.letters.missing for run in verdict.runs), verdict.alerts.missing
    windows = verdict.windows.problem or f"{counted(verdict.windows.different, 'window')} not up to date"
    return f"{missing:,} readings, {letters:,} dead letters and {alerts:,} alerts are missing, {windows}"

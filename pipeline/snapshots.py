"""What the pages draw, as one JSON document a tick: made once for all who look at the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from pipeline import store_alarm_list, store_dashboard
from pipeline.catalog import Catalog
from pipeline.clock import Clock, SystemClock, utc_now
from pipeline.figures import milliseconds
from pipeline.rules import Rule
from pipeline.shared_answers import SharedAnswers
from pipeline.store import Store
from pipeline.store_alarm_list import Narrowing
from pipeline.store_dashboard import Selection
from pipeline.store_documents import PRIORITIES
from pipeline.store_faults import StoreError
from pipeline.supply import supply
from pipeline.view import View

Document = dict[str, Any]
# Makes a page's document of a view. Raises StoreError.
Maker = Callable[[View], Document]

DEADLINE_SECONDS = 8.0
# For so long the same active alarms are counted and listed.
ACTIVE_SECONDS = 1.0
# After a failure nobody asks again for so long: a server that is away must not hold up every page.
PAUSE_SECONDS = 1.0
# Pages share a snapshot that is younger than this part of the time between two ticks.
SHARED_PART = 0.8


@dataclass(frozen=True)
class Rules:
    """How figures are judged: seconds after which an alarm is cleared, and within which a living sensor sends."""

    clear_after: float
    alive_within: float


@dataclass(frozen=True)
class Sources:
    """What snapshots are made of; `alert_rules` are those whose limits are shown."""

    store: Store
    catalog: Catalog
    rules: Rules
    now: Callable[[], datetime] = utc_now
    clock: Clock = field(default_factory=SystemClock)
    alert_rules: tuple[Rule, ...] = ()

    @cached_property
    def active_alarms(self) -> SharedAnswers[None, list[Document]]:
        """The active alarms, for all that counts or lists some of them at about this time."""
        find = partial(store_alarm_list.active, self.store, Narrowing(), self.rules.clear_after)
        return SharedAnswers(lambda _: find(), ACTIVE_SECONDS, clock=self.clock)


@dataclass(frozen=True)
class Question:
    """A page's way to its document: what makes it, and the fields of the view that matter to it."""

    make: Maker
    fields: tuple[str, ...]


class Snapshots:
    """The snapshots of some pages, by their paths. Views that differ in what does not matter to a page share theirs.

    `away_since` is the instant of the first failure since the last success.
    """

    def __init__(self, sources: Sources, questions: Mapping[str, Question], fresh_for: float) -> None:
        self._sources, self._questions, self._fresh_for = sources, questions, fresh_for
        self._answers: SharedAnswers[tuple[str, View], Document] = SharedAnswers(
            self._make, fresh_for, whole=lambda one: one.get("complete", True), clock=sources.clock
        )
        self._common: SharedAnswers[None, Document] = SharedAnswers(self._of_all, fresh_for, clock=sources.clock)
        self._lock = threading.Lock()
        self._failure: tuple[float, StoreError] | None = None
        self.away_since: datetime | None = None

    def get(self, page: str, view: View) -> Document:
        """A page's snapshot for a view; raises StoreError when MongoDB does not give it in time.

        Beside what the page's own maker tells, it has `at`, `since` and `until` (milliseconds since 1970: now, and the
        time that is shown), and what every page shows; see `_of_all`. One that says of itself that it is not `complete`
        is made anew for the next who asks.
        """
        often = SHARED_PART * view.refresh if view.refresh > 0 else self._fresh_for
        return self._answers.get((page, view.only(self._questions[page].fields)), min(often, self._fresh_for))

    def counts(self) -> tuple[int, int]:
        """How many snapshots were made for who asked, and how many were there for it."""
        return self._answers.made, self._answers.shared

    def forget(self) -> None:
        """Make the next snapshots anew: something was changed from here."""
        self._sources.active_alarms.forget()
        self._common.forget()
        self._answers.forget()

    def _make(self, key: tuple[str, View]) -> Document:
        page, view = key
        with self._lock:
            failure = self._failure
        if failure and self._sources.clock.monotonic() - failure[0] < PAUSE_SECONDS:
            raise failure[1]
        now = self._sources.now()
        since, until = view.span(now)
        times = {"at": milliseconds(now), "since": milliseconds(since), "until": milliseconds(until)}
        try:
            with store_dashboard.within(DEADLINE_SECONDS):
                made = times | self._common.get(None) | self._questions[page].make(view)
        except StoreError as error:
            with self._lock:
                self._failure = self._sources.clock.monotonic(), error
                self.away_since = self.away_since or self._sources.now()
            raise
        with self._lock:
            self._failure = self.away_since = None
        return made

    def _of_all(self, _key: None) -> Document:
        """What every page shows.

        `choices` are the types and locations there are, `known` counts the sensors, `newest` is the newest reading's
        instant (milliseconds, or None), `supply` says where new ones stay, and `critical` how many alarms of that
        priority are open.
        """
        store, now = self._sources.store, self._sources.now()
        choices = store_dashboard.choices(store)
        sensors = store_dashboard.sensors(store, Selection(), now)
        [batches] = store_dashboard.progress(store, ("readings",), 1).values()
        return {
            "choices": {"types": list(choices.types), "locations": list(choices.locations)},
            "known": sensors.known,
            "newest": milliseconds(sensors.newest) if sensors.newest else None,
            "supply": supply(batches, now),
            "critical": critical(self._sources.active_alarms.get(None)),
        }


def critical(alarms: Iterable[Mapping[str, Any]]) -> Document:
    """How many of the alarms are critical and not acknowledged, and when the newest of them began (milliseconds)."""
    worst = PRIORITIES["critical"]
    found = [one["first_seen"] for one in alarms if one["worst_priority"] == worst and "acknowledged" not in one]
    return {"count": len(found), "newest": milliseconds(max(found)) if found else None}

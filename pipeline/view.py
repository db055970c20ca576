"""What the page shows, as its address says it: filters, time, pause, theme, and what single pages add.

An address comes from anywhere, so what is wrong in it is left out; a request that our own page would never send is an
error. A new field is one declaration in `View`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

from pipeline.latency import IN_ALL, LEGS
from pipeline.refusals import NAME_LIMIT, SHORT_NAME_LIMIT
from pipeline.rules import PRIORITIES
from pipeline.view_fields import (
    CHOICES_LIMIT,
    Count,
    Instant,
    Name,
    Names,
    OneNumber,
    OneOf,
    Switch,
    declared,
    is_name,
    kind_of,
    parameter_of,
)

__all__ = ["ALARMS", "CHOICES_LIMIT", "RANGES", "REFRESHES", "THEMES", "ZONES", "View", "is_name"]

# The longest address that is read.
QUERY_LIMIT = 20_000
# The shortest and the longest range that one may choose by its ends.
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 31 * 86_400

Alarms = Literal["open", "all"]
Theme = Literal["auto", "light", "dark"]
Zone = Literal["local", "utc"]
Listed = Literal["all", "silent", "alarms"]


@dataclass(frozen=True)
class TimeRange:
    """A time that ends now."""

    label: str
    seconds: int


RANGES = {
    "5m": TimeRange("5 min", 300),
    "15m": TimeRange("15 min", 900),
    "1h": TimeRange("1 h", 3600),
    "6h": TimeRange("6 h", 21_600),
    "24h": TimeRange("24 h", 86_400),
    "7d": TimeRange("7 days", 604_800),
}
ALARMS: tuple[Alarms, ...] = ("open", "all")
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")
ZONES: tuple[Zone, ...] = ("local", "utc")
# Whose lag the page about the pipeline draws.
LAGS = ("readings", "windows")
# Which sensors are listed.
LISTED: tuple[Listed, ...] = ("all", "silent", "alarms")
# Of the list of alarms: which it has, and by which column it is sorted, with "-" in front from the greatest on.
ALARM_STATES = ("active", "cleared", "any")
ACKNOWLEDGED = ("no", "yes", "any")
_SORTABLE = ("level", "sensor", "rule", "location", "value", "threshold", "first", "last", "count", "active")
ALARM_SORTS = tuple(f"{sign}{name}" for name in (*_SORTABLE, "acknowledged") for sign in ("", "-"))
# Characters of an alarm's id.
ALARM_LIMIT = 1200
# Seconds between two ticks; 0 is off, -1 what the server was told.
AS_SERVED = -1
REFRESHES = (AS_SERVED, 0, 1, 2, 5, 10, 30)


@dataclass(frozen=True)
class View:
    """What is shown. No types, or no locations, stands for all of them; both are sorted.

    With `since` and `until`, milliseconds since 1970, they are the time that is shown instead of `range`.
    """

    types: tuple[str, ...] = declared((), "type", Names(SHORT_NAME_LIMIT))
    locations: tuple[str, ...] = declared((), "location", Names(NAME_LIMIT))
    range: str = declared("15m", "range", OneOf(tuple(RANGES)))
    since: int | None = declared(None, "since", Instant())
    until: int | None = declared(None, "until", Instant())
    alarms: Alarms = declared("open", "alarms", OneOf(ALARMS))
    sensor: str | None = declared(None, "sensor", Name(NAME_LIMIT))
    listed: Listed = declared("all", "listed", OneOf(LISTED))
    page: int = declared(1, "page", Count(1_000_000))
    state: str = declared("active", "state", OneOf(ALARM_STATES))
    acknowledged: str = declared("no", "acknowledged", OneOf(ACKNOWLEDGED))
    priorities: tuple[str, ...] = declared((), "priority", Names(SHORT_NAME_LIMIT, PRIORITIES))
    rules: tuple[str, ...] = declared((), "rule", Names(SHORT_NAME_LIMIT))
    sort: str = declared("-level", "sort", OneOf(ALARM_SORTS))
    alarm: str | None = declared(None, "alarm", Name(ALARM_LIMIT))
    refresh: int = declared(AS_SERVED, "refresh", OneNumber(REFRESHES))
    zone: Zone = declared("local", "zone", OneOf(ZONES))
    theme: Theme = declared("auto", "theme", OneOf(THEMES))
    paused: bool = declared(False, "paused", Switch())
    leg: str = declared(IN_ALL, "leg", OneOf(LEGS))
    lag: str = declared("readings", "lag", OneOf(LAGS))
    reason: str | None = declared(None, "reason", Name(SHORT_NAME_LIMIT))

    @property
    def time_range(self) -> TimeRange:
        """The chosen range among those that end now."""
        return RANGES[self.range]

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """The time that is shown, from and to."""
        if self.since is not None and self.until is not None:
            return datetime.fromtimestamp(self.since / 1000, UTC), datetime.fromtimestamp(self.until / 1000, UTC)
        return now - timedelta(seconds=self.time_range.seconds), now

    def only(self, names: Iterable[str]) -> View:
        """The same with the default in every other field: what a page shows whatever these say."""
        return View(**{name: getattr(self, name) for name in names})

    def as_json(self) -> dict[str, Any]:
        """The view as the browser keeps it."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def from_query(query: object) -> View:
    """The view of an address's query ("?type=temperature&range=1h"); what makes no sense in it has its default."""
    if not isinstance(query, str) or len(query) > QUERY_LIMIT:
        return View()
    try:
        given = parse_qs(query.removeprefix("?"), max_num_fields=4 * CHOICES_LIMIT)
    except ValueError:
        return View()
    read: dict[str, Any] = {}
    for one in fields(View):
        words = given.get(parameter_of(one))
        if words:
            try:
                read[one.name] = kind_of(one).read(words)
            except ValueError:
                continue
    found = View(**read)
    return found if _is_span(found) else replace(found, since=None, until=None)


def to_query(view: View) -> str:
    """The address's query that stands for a view: "" for the default, else beginning with "?"."""
    pairs = [
        (parameter_of(one), word)
        for one in fields(View)
        if getattr(view, one.name) != one.default
        for word in kind_of(one).words(getattr(view, one.name))
    ]
    # A colon may stand in a query as it is, and instants can be read then.
    return f"?{urlencode(pairs, safe=':')}" if pairs else ""


def from_json(given: object) -> View:
    """The view that our page sent back; raises ValueError for anything that it would never send."""
    if not isinstance(given, Mapping) or set(given) != {one.name for one in fields(View)}:
        raise ValueError("no view")
    found = View(**{one.name: kind_of(one).checked(given[one.name]) for one in fields(View)})
    if not _is_span(found):
        raise ValueError("no span of time")
    return found


def _is_span(view: View) -> bool:
    if view.since is None or view.until is None:
        return view.since is view.until
    return 1000 * SHORTEST_SECONDS <= view.until - view.since <= 1000 * LONGEST_SECONDS

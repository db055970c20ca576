"""What the page shows, as its address says it: filters, time range, pause and theme.

An address comes from anywhere, so what is wrong in it is left out; a request that our own page would never send is an
error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast
from urllib.parse import parse_qs, urlencode

from pipeline.refusals import NAME_LIMIT, SHORT_NAME_LIMIT

# How many types and locations one may choose, and the longest address that is read.
CHOICES_LIMIT = 50
QUERY_LIMIT = 20_000

Alarms = Literal["open", "all"]
Theme = Literal["auto", "light", "dark"]


@dataclass(frozen=True)
class TimeRange:
    """How far back the charts look, and how many seconds each of their at most 300 points stands for."""

    label: str
    seconds: int
    bin_seconds: int


RANGES = {
    "5m": TimeRange("5 min", 300, 10),
    "15m": TimeRange("15 min", 900, 10),
    "1h": TimeRange("1 h", 3600, 20),
    "6h": TimeRange("6 h", 21_600, 120),
    "24h": TimeRange("24 h", 86_400, 300),
}
ALARMS: tuple[Alarms, ...] = ("open", "all")
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")


@dataclass(frozen=True)
class View:
    """What is shown. No types, or no locations, stands for all of them; both are sorted."""

    types: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    range: str = "15m"
    alarms: Alarms = "open"
    paused: bool = False
    theme: Theme = "auto"

    @property
    def time_range(self) -> TimeRange:
        """The chosen range."""
        return RANGES[self.range]

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

    def last(name: str, known: Iterable[str], default: str) -> str:
        value = given.get(name, [""])[-1]
        return value if value in known else default

    return View(
        types=_names(given.get("type", []), SHORT_NAME_LIMIT),
        locations=_names(given.get("location", []), NAME_LIMIT),
        range=last("range", RANGES, View.range),
        alarms=cast(Alarms, last("alarms", ALARMS, View.alarms)),
        paused=last("paused", ("1",), "") == "1",
        theme=cast(Theme, last("theme", THEMES, View.theme)),
    )


def to_query(view: View) -> str:
    """The address's query that stands for a view: "" for the default, else beginning with "?"."""
    pairs = [("type", name) for name in view.types] + [("location", name) for name in view.locations]
    for name in ("range", "alarms", "theme"):
        value = getattr(view, name)
        if value != getattr(View, name):
            pairs.append((name, value))
    if view.paused:
        pairs.append(("paused", "1"))
    return f"?{urlencode(pairs)}" if pairs else ""


def from_json(given: object) -> View:
    """The view that our page sent back; raises ValueError for anything that it would never send."""
    if not isinstance(given, Mapping) or set(given) != {one.name for one in fields(View)}:
        raise ValueError("no view")
    types = _exactly(given["types"], SHORT_NAME_LIMIT)
    locations = _exactly(given["locations"], NAME_LIMIT)
    for name, known in (("range", tuple(RANGES)), ("alarms", ALARMS), ("theme", THEMES), ("paused", (True, False))):
        # `in` alone would take 1 for True, and fail on a list.
        if type(given[name]) is not type(known[0]) or given[name] not in known:
            raise ValueError(f"no such {name}")
    return View(types, locations, given["range"], given["alarms"], given["paused"], given["theme"])


def _exactly(given: object, limit: int) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > CHOICES_LIMIT or not all(is_name(name, limit) for name in given):
        raise ValueError("no list of names")
    return tuple(sorted(set(given)))


def _names(given: list[str], limit: int) -> tuple[str, ...]:
    return tuple(sorted({name for name in given if is_name(name, limit)})[:CHOICES_LIMIT])


def is_name(value: object, limit: int) -> bool:
    """Whether a value is a string of 1 to `limit` characters that can be shown and stored."""
    return isinstance(value, str) and 1 <= len(value) <= limit and value.isprintable()

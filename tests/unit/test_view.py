"""The page's state in its address, and what comes from elsewhere instead."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import view
from pipeline.alarm_lists import SORTS
from pipeline.view import ALARMS, CHOICES_LIMIT, RANGES, REFRESHES, THEMES, ZONES, View
from pipeline.view_fields import EARLIEST_MS, LATEST_MS

NAMES = st.text(min_size=1, max_size=64).filter(str.isprintable)
CHOSEN = st.sets(NAMES, max_size=8).map(lambda names: tuple(sorted(names)))
SPANS = st.none() | st.tuples(st.integers(EARLIEST_MS, LATEST_MS - 10_000_000), st.integers(60_000, 10_000_000))


def spanned(shown: View, span: tuple[int, int] | None) -> View:
    return replace(shown, since=span[0], until=sum(span)) if span else shown


VIEWS = st.builds(
    spanned,
    st.builds(
        View,
        types=CHOSEN,
        locations=CHOSEN,
        range=st.sampled_from(list(RANGES)),
        alarms=st.sampled_from(ALARMS),
        sensor=st.none() | NAMES,
        refresh=st.sampled_from(REFRESHES),
        zone=st.sampled_from(ZONES),
        paused=st.booleans(),
        theme=st.sampled_from(THEMES),
    ),
    SPANS,
)
PARAMETERS = [one.metadata["parameter"] for one in fields(View)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VIEWS)
def test_a_view_comes_back_from_its_address_as_it_was(shown):
    assert view.from_query(view.to_query(shown)) == shown


@given(VIEWS)
def test_a_view_comes_back_from_the_browser_as_it_was(shown):
    assert view.from_json(json.loads(json.dumps(shown.as_json()))) == shown


@given(st.text() | JSON)
def test_any_address_gives_a_view_that_could_have_been_chosen(query):
    shown = view.from_query(query)

    assert view.from_json(shown.as_json()) == shown


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text() | st.integers().map(str))))
def test_any_values_in_an_address_give_a_view_that_could_have_been_chosen(pairs):
    shown = view.from_query("?" + "&".join(f"{name}={value}" for name, value in pairs))

    assert view.from_json(shown.as_json()) == shown


def test_the_default_needs_no_address():
    assert view.to_query(View()) == ""
    assert view.from_query("") == View()


def test_an_address_can_be_read_by_people():
    shown = View(("co2", "noise"), ("office-lab",), "1h", alarms="all", paused=True, theme="dark")

    assert view.to_query(shown) == ("?type=co2&type=noise&location=office-lab&range=1h&alarms=all&theme=dark&paused=1")


def test_an_address_that_names_too_much_is_cut_and_one_that_is_too_long_is_ignored():
    many = "?" + "&".join(f"type=t{n:03}" for n in range(150))

    assert len(view.from_query(many).types) == CHOICES_LIMIT
    assert view.from_query("?range=1h&type=" + "x" * 30_000) == View()


@given(JSON)
def test_what_our_page_would_not_send_is_an_error(given_):
    with pytest.raises(ValueError, match="no"):
        view.from_json(given_)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("types", {"$ne": 1}),
        ("types", [{"$gt": ""}]),
        ("types", "temperature"),
        ("types", [""]),
        ("types", ["a" * 65]),
        ("types", ["\x00"]),
        ("types", ["\ud800"]),
        ("types", ["x"] * (CHOICES_LIMIT + 1)),
        ("locations", [1]),
        ("range", "2h"),
        ("range", ["1h"]),
        ("range", {"$gt": ""}),
        ("range", None),
        ("alarms", 1),
        ("paused", 1),
        ("paused", "true"),
        ("theme", "blue"),
        ("sensor", {"$gt": ""}),
        ("sensor", "s" * 257),
        ("refresh", True),
        ("refresh", 3),
        ("zone", "Europe/Berlin"),
        ("since", 1_700_000_000_000),
        ("until", 1.5),
        ("since", "1700000000000"),
    ],
)
def test_one_wrong_field_is_an_error(name: str, value: Any):
    with pytest.raises(ValueError, match="no"):
        view.from_json({**View().as_json(), name: value})


@pytest.mark.parametrize(("since", "until"), [(2, 1), (0, 59_000), (0, 32 * 86_400_000), (-EARLIEST_MS, 0)])
def test_ends_that_make_no_range_are_left_out_of_an_address_and_refused_from_a_browser(since: int, until: int):
    ends = {"since": EARLIEST_MS + since, "until": EARLIEST_MS + until}

    words = "&".join(f"{name}={datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}" for name, at in ends.items())

    assert view.from_query(f"?range=1h&{words}") == View(range="1h")
    with pytest.raises(ValueError, match="no"):
        view.from_json({**View().as_json(), **ends})


def test_the_time_that_is_shown_ends_now_or_where_it_was_told_to():
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    told = View(since=1_767_225_600_000, until=1_767_229_200_000)

    assert View(range="1h").span(now) == (now - timedelta(hours=1), now)
    assert told.span(now) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC))


def test_what_does_not_matter_to_a_page_has_its_default():
    shown = View(("co2",), range="1h", theme="dark", paused=True)

    assert shown.only(("types", "range")) == View(("co2",), range="1h")


@pytest.mark.parametrize(
    "query",
    [
        "?since=2023-11-14T22:13:20Z",
        "?since=2023-11-14T22:13:20&until=2023-11-14T23:13:20",
        "?since=1999-11-14T22:13:20Z&until=1999-11-14T23:13:20Z",
        "?since=0001-01-01T00:00:00%2B14:00&until=9999-12-31T23:59:59-14:00",
        "?since=1700000000000&until=1700003600000",
        "?since=&until=tomorrow",
    ],
)
def test_a_time_that_cannot_be_shown_is_ignored(query: str):
    assert view.from_query(query) == View()


def test_an_address_may_say_a_time_in_any_zone_and_ours_says_utc():
    shown = view.from_query("?since=2023-11-15T07:13:20%2B09:00&until=2023-11-14T23:13:20.5Z")

    assert (shown.since, shown.until) == (1_700_000_000_000, 1_700_003_600_500)
    assert view.to_query(shown) == "?since=2023-11-14T22:13:20Z&until=2023-11-14T23:13:20.500Z"


def test_every_order_of_the_list_of_alarms_is_one_that_the_server_makes():
    assert {one.removeprefix("-") for one in view.ALARM_SORTS} == set(SORTS)

"""The page's state in its address, and what comes from elsewhere instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import view
from pipeline.view import ALARMS, CHOICES_LIMIT, RANGES, THEMES, View

NAMES = st.text(min_size=1, max_size=64).filter(str.isprintable)
CHOSEN = st.sets(NAMES, max_size=8).map(lambda names: tuple(sorted(names)))
VIEWS = st.builds(
    View,
    types=CHOSEN,
    locations=CHOSEN,
    range=st.sampled_from(list(RANGES)),
    alarms=st.sampled_from(ALARMS),
    paused=st.booleans(),
    theme=st.sampled_from(THEMES),
)
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


@given(st.lists(st.tuples(st.sampled_from(["type", "location", "range", "alarms", "paused", "theme"]), st.text())))
def test_any_values_in_an_address_give_a_view_that_could_have_been_chosen(pairs):
    shown = view.from_query("?" + "&".join(f"{name}={value}" for name, value in pairs))

    assert view.from_json(shown.as_json()) == shown


def test_the_default_needs_no_address():
    assert view.to_query(View()) == ""
    assert view.from_query("") == View()


def test_an_address_can_be_read_by_people():
    shown = View(("co2", "noise"), ("office-lab",), "1h", "all", paused=True, theme="dark")

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
    ],
)
def test_one_wrong_field_is_an_error(name: str, value: Any):
    with pytest.raises(ValueError, match="no"):
        view.from_json({**View().as_json(), name: value})


@pytest.mark.parametrize("one", RANGES.values(), ids=lambda one: one.label)
def test_a_range_has_at_most_300_points(one):
    assert one.seconds / one.bin_seconds <= 300
    assert one.seconds % one.bin_seconds == 0

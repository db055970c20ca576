"""What is taken for an acknowledgement, and what is said of what became of it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.exceptions import BadRequest

from pipeline.alarm_lists import ROWS_LIMIT
from pipeline.pages.alarm_grid import checked, told
from pipeline.store_alarms import Acknowledged

GIVEN: dict[str, Any] = {"ids": ["a|b|c"], "by": "ada", "note": "fan", "number": 1}


def test_alarms_a_name_and_a_note_are_taken_and_who_is_logged_in_has_that_name():
    assert checked(GIVEN, None) == (["a|b|c"], "ada", "fan")
    assert checked({**GIVEN, "by": " ada ", "note": " "}, None) == (["a|b|c"], "ada", "")
    assert checked({**GIVEN, "by": "mallory"}, "bob")[1] == "bob"
    assert checked({**GIVEN, "by": None}, "bob")[1] == "bob"
    assert len(checked({**GIVEN, "ids": ["x"] * ROWS_LIMIT}, None)[0]) == ROWS_LIMIT


@pytest.mark.parametrize(
    "change",
    [
        {"ids": None},
        {"ids": []},
        {"ids": {"id": "x"}},
        {"ids": [{"$ne": 1}]},
        {"ids": [7]},
        {"ids": ["x" * 5000]},
        {"ids": ["x\x00"]},
        {"ids": ["x"] * (ROWS_LIMIT + 1)},
        {"by": ""},
        {"by": "   "},
        {"by": None},
        {"by": {"$gt": ""}},
        {"by": "a" * 65},
        {"by": "ada\x00"},
        {"note": None},
        {"note": ["note"]},
        {"note": "n" * 501},
        {"number": True},
        {"number": "1"},
        {"more": 1},
    ],
)
def test_what_the_page_would_not_send_is_refused(change: dict[str, Any]):
    with pytest.raises(BadRequest):
        checked({**GIVEN, **change}, None)


@pytest.mark.parametrize("given", [None, [], "x", 7, {}, {"ids": ["x"]}])
def test_what_is_no_acknowledgement_at_all_is_refused(given: Any):
    with pytest.raises(BadRequest):
        checked(given, "ada")


@pytest.mark.parametrize(
    ("done", "title", "message", "colour"),
    [
        (Acknowledged(1, {}, 0), "Acknowledged", "1 alarm", "green"),
        (Acknowledged(3, {"ada": 1, "bob": 2}, 1), "Acknowledged", None, "green"),
        (Acknowledged(0, {"ada": 2}, 0), "Acknowledged before", "2 alarms had been before, by ada", "yellow"),
        (Acknowledged(0, {}, 2), "Not acknowledged", "2 alarms are no longer there", "yellow"),
    ],
)
def test_what_became_of_alarms_is_told(done: Acknowledged, title: str, message: str | None, colour: str):
    long = "3 alarms; 2 alarms had been before, by bob; 1 alarm had been before, by ada; 1 alarm is no longer there"

    assert told(done) == (title, message or long, colour)


def test_of_many_who_had_acknowledged_before_a_few_are_named():
    _, message, _ = told(Acknowledged(0, {"ada": 9, "bob": 8, "cyd": 7, "dan": 2, "eve": 1}, 0))

    assert message.endswith("7 alarms had been before, by cyd; 3 alarms by others")

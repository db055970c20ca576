"""One answer for all who ask the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from clocks import HandClock

from pipeline.shared_answers import SharedAnswers


class Maker:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, key: str) -> str:
        self.asked.append(key)
        if key == "wrong":
            raise ValueError(f"error {len(self.asked)}")
        return f"{key} {len(self.asked)}"


def test_an_answer_is_made_once_and_anew_when_it_is_old():
    clock, make = HandClock(), Maker()
    answers = SharedAnswers(make, 2.0, clock=clock)

    first = [answers.get("a"), answers.get("a"), answers.get("b")]
    clock.sleep(1.9)
    second = answers.get("a")
    clock.sleep(0.2)
    third = answers.get("a")

    assert first == ["a 1", "a 1", "b 2"]
    assert second == "a 1"
    assert third == "a 3"


def test_who_asks_while_the_answer_is_made_waits_for_it():
    asked, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def make(key: str) -> str:
        asked.set()
        assert go_on.wait(60)
        made.append(key)
        return key

    answers = SharedAnswers(make, 60.0)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(answers.get, "a")
        assert asked.wait(60)
        others = [pool.submit(answers.get, "a") for _ in range(3)]
        go_on.set()
        assert [one.result(60) for one in (first, *others)] == ["a"] * 4
    assert made == ["a"]


def test_an_error_is_shared_as_well_and_forgotten_in_time():
    clock = HandClock()
    answers = SharedAnswers(Maker(), 2.0, clock=clock)

    for expected in ("error 1", "error 1"):
        with pytest.raises(ValueError, match=expected):
            answers.get("wrong")
    clock.sleep(2.0)
    with pytest.raises(ValueError, match="error 2"):
        answers.get("wrong")


def test_what_is_not_whole_is_made_anew_at_once():
    answers = SharedAnswers(Maker(), 60.0, whole=lambda one: one != "a 1", clock=HandClock())

    assert [answers.get("a") for _ in range(3)] == ["a 1", "a 2", "a 2"]


def test_what_is_forgotten_is_made_anew():
    answers = SharedAnswers(Maker(), 60.0)

    assert answers.get("a") == "a 1"
    answers.forget()
    assert answers.get("a") == "a 2"


def test_no_more_than_the_limit_is_kept():
    make = Maker()
    answers = SharedAnswers(make, 60.0, limit=2)

    for key in ("a", "b", "c", "b", "c", "a"):
        answers.get(key)

    assert make.asked == ["a", "b", "c", "a"]

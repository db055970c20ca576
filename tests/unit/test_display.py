from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.display import Display, plain_duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(**options: object) -> tuple[Display, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    return Display(Console(file=out, width=100, **options), clock), out, clock  # type: ignore[arg-type]


def test_without_a_terminal_a_step_is_one_plain_line_with_its_time():
    display, out, clock = shown()

    with display.step("kafka", "starting") as step:
        step.doing("not seen")
        clock.now = 2.5
        step.result = "127.0.0.1:9092"

    assert out.getvalue().split() == ["✓", "kafka", "127.0.0.1:9092", "2.5", "s"]
    assert "\x1b" not in out.getvalue()


def test_without_a_terminal_what_takes_long_has_a_line_of_its_own():
    display, out, _ = shown()

    with display.step("jars") as step:
        step.note("10 of 46 jars", (10, 46))

    assert "10 of 46 jars" in out.getvalue().splitlines()[0]


def test_a_step_that_fails_has_a_cross_and_the_error_goes_on():
    display, out, _ = shown()

    with pytest.raises(ValueError, match="no"), display.step("kafka"):
        raise ValueError("no")

    assert out.getvalue().startswith("  ✗ kafka")


def test_on_a_terminal_there_is_colour_and_what_is_going_on():
    display, out, _ = shown(force_terminal=True, color_system="standard")

    with display.step("jars", "resolving") as step:
        step.doing("12 of 46 jars", (12, 46))

    assert "12 of 46 jars" in out.getvalue()
    assert "\x1b[32m✓" in out.getvalue()


def test_square_brackets_of_a_log_are_no_markup():
    display, out, _ = shown()

    display.block("The end of its log:", ["[red]not red[/red]"])

    assert "[red]not red[/red]" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (-3, "0 s")]
)
def test_a_duration_is_told_in_the_units_that_people_use(seconds, text):
    assert plain_duration(seconds) == text

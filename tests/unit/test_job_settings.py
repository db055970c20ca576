"""What spark_job.py makes of its options."""

from __future__ import annotations

import pytest

import spark_job


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("", 5.0),
        ("--trigger 200ms", 1.0),
        ("--slide 2s", 2.0),
        ("--trigger 30s", 30.0),
        ("--trigger 3s", 10.0),
        ("--trigger 1s --windows-trigger 500ms", 0.5),
    ],
)
def test_windows_move_with_the_trigger_and_not_later_than_a_new_one_begins(words: str, seconds: float) -> None:
    settings = spark_job.build_parser().parse_args(["--window", "10s", *words.split()])
    settings.slide = settings.slide or settings.window
    assert spark_job.windows_trigger(settings) == seconds

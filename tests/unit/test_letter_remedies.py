"""What is advised about refused messages can be done."""

from __future__ import annotations

import shlex

import pytest

from docs import generate
from pipeline import letter_remedies
from pipeline.refusals import Refusal


@pytest.mark.parametrize("code", [None, *Refusal, "'; echo of_a_later_version"])
def test_the_consumer_understands_every_command_that_is_advised(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters.jsonl").touch()
    found = letter_remedies.remedy(code)

    assert bool(found["advice"]) == (code in set(Refusal))
    # What is stored in MongoDB alone cannot be read from the topic.
    assert bool(found["commands"]) == (code != Refusal.NOT_STORABLE)
    for command in found["commands"]:
        words = shlex.split(command["words"].partition(">")[0])
        assert words[:2] == ["python", "consumer.py"]
        generate.PARSERS["consumer.py"]().parse_args(words[2:])

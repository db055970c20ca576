from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import runtime
from pipeline.console import UserError


def test_a_command_to_copy_names_the_python_that_the_terminal_lacks(monkeypatch, tmp_path):
    monkeypatch.chdir(runtime.ROOT)
    monkeypatch.setattr(sys, "executable", str(runtime.ROOT / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert runtime.command("stack.py", "down") == ".venv/bin/python stack.py down"


def test_a_command_to_copy_is_short_where_the_environment_is_active(monkeypatch, tmp_path):
    monkeypatch.chdir(runtime.ROOT)
    python = tmp_path / "python"
    python.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert runtime.command("stack.py", "up", "--data-dir", "my data") == "python stack.py up --data-dir 'my data'"


def test_a_lock_that_another_process_holds_is_waited_for_and_ends_with_that_process(tmp_path):
    # given: a process that holds the lock until its input ends
    lock = tmp_path / "folder" / "lock"
    code = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.runtime import locked\n"
        f"with locked(Path({str(lock)!r}), print):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=runtime.ROOT
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"

        # then: we are told that we wait; here, what we are told by ends the other process without a farewell
        told = []
        with runtime.locked(lock, lambda: (told.append("waiting"), other.kill())):
            assert told == ["waiting"]
    assert Path(lock).exists()


def test_a_free_lock_is_not_waited_for(tmp_path):
    with runtime.locked(tmp_path / "lock", lambda: pytest.fail("waited")):
        pass


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()

    with (
        pytest.raises(UserError, match=r"cannot be written: .*; make its folder writable"),
        runtime.locked(tmp_path / "file" / "lock", lambda: None),
    ):
        pass

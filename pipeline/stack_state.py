"""The file services.json: what a stack started, so that another terminal can tell, and end, exactly that."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from pipeline import files, processes
from pipeline.console import UsageError, UserError
from pipeline.processes import Identity

FILE = "services.json"


class Record(msgspec.Struct):
    """A service that was started; `address` says where or what it is."""

    name: str
    process: Identity
    since: datetime
    address: str
    grace: float

    def runs(self, mark: str) -> bool:
        """Whether the service, or anything that it started, still runs."""
        return bool(processes.group(self.process, mark))


class State(msgspec.Struct):
    """What stands in the file: the `mark` of the processes, the `up` that watches them, and the services in order."""

    mark: str = ""
    owner: Identity | None = None
    services: list[Record] = []

    def running(self) -> list[Record]:
        """The services that run."""
        return [record for record in self.services if record.runs(self.mark)]


def load(folder: Path) -> State:
    """The state of a data folder, empty where nothing was ever started; raises UserError when the file is damaged."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); end what it started by hand, then remove the file") from None


def save(folder: Path, state: State) -> None:
    """Write the state, whole or not at all; raises UserError when the folder cannot be written."""
    path = folder / FILE
    try:
        files.write_whole(path, msgspec.json.format(msgspec.json.encode(state)).decode() + "\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another folder with --data-dir") from None


def claim(folder: Path) -> None:
    """Make the data folder; raises UsageError for one that holds other things: `reset` could take them away."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = not (folder / FILE).exists() and any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"--data-dir: {folder} cannot be used: {error.strerror}; name another folder") from None
    if foreign:
        raise UsageError(f"--data-dir: {folder} holds other things; name an empty folder or one that does not exist")
    if not (folder / FILE).exists():
        save(folder, State())


def size(folder: Path) -> int:
    """The bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if not path.is_dir() else 0
    return total


def remove(folder: Path) -> None:
    """Remove a data folder and all that is in it; raises UserError when that fails."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be removed whole: {error.strerror}: {error.filename}") from None

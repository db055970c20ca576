"""An archive of the classes that Spark's Java loads, for the tests start Spark often: each start is seconds shorter.

Class data sharing of the JVM, which itself ignores an archive that does not fit.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pyspark
from harness import await_condition, local_broker, local_mongod, quiet_display, scripts
from jobs import START_SECONDS, surroundings

from pipeline import java, options, runtime
from pipeline.java import Java


def ensure() -> Path:
    """The archive for this Java and this PySpark; made where it is missing, which takes a minute or so."""
    with quiet_display().step("java") as step:
        path = _path(java.ensure(step))
    with runtime.locked(path.with_name("lock"), waiting=lambda: None):
        if not path.is_file():
            for old in path.parent.glob("*.jsa"):
                old.unlink()
            _make(path)
    return path


def _path(found: Java) -> Path:
    (jar,) = Path(pyspark.__file__).parent.glob("jars/spark-core_*.jar")
    about = f"{found.build} {jar} {jar.stat().st_mtime_ns}"
    return runtime.FOLDER / "tests" / f"spark-{hashlib.sha256(about.encode()).hexdigest()[:12]}.jsa"


def _make(path: Path) -> None:
    """Let a job work off a topic; its Java writes the archive when it ends."""
    partial = path.with_suffix(".partial")
    with (
        tempfile.TemporaryDirectory(prefix="spark-classes-") as name,
        local_broker(Path(name)) as broker,
        local_mongod(Path(name)) as mongod,
        scripts(Path(name)) as start,
        surroundings(start, broker.servers, mongod.uri, Path(name)) as job,
    ):
        job.produce("--count", 500, "--unpaced")
        java_options = f"{java.FEW_THREADS} -XX:ArchiveClassesAtExit={partial}"
        done = job.run("--available-now", f"{options.DRIVER_JAVA_OPTIONS.flag}={java_options}")
        assert done.code == 0, done.stderr
        await_condition(lambda: not job.processes(), "Spark's Java ends", START_SECONDS)
    partial.rename(path)

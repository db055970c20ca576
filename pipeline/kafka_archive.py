"""An archive of the classes that a broker loads, made once for a Java: with it a broker starts in half the time.

Class data sharing of the JVM: a broker runs for a moment and its classes are listed, then dumped into an archive that
later starts map into memory. The JVM itself ignores an archive that does not fit it or the jars.
"""

from __future__ import annotations

import logging
import secrets
import subprocess
import tempfile
from pathlib import Path

from pipeline import kafka_server, ports, runtime
from pipeline.console import UserError
from pipeline.display import Step
from pipeline.java import Java
from pipeline.services import Running

log = logging.getLogger(__name__)

DUMP_SECONDS = 300.0
_PORTS = range(22_000, 23_000)


def ensure(java: Java, jars: Path, step: Step) -> None:
    """Make the archive where it is missing. A broker runs without it as well: a failure is only logged."""
    path = kafka_server.archive(java, jars)
    if not path.is_file():
        with runtime.locked(
            jars.with_name("archive.lock"), lambda: step.note("another process is making it; waiting for it")
        ):
            if not path.is_file():
                step.note("making Kafka start faster (once, about 20 s)")
                try:
                    _make(java, jars, path, step)
                except (UserError, OSError, subprocess.SubprocessError) as error:
                    log.warning("Kafka will start slower, for its class archive could not be made: %s", error)
    step.result = "archived for a fast start" if path.is_file() else "not archived"


def _make(java: Java, jars: Path, path: Path, step: Step) -> None:
    with tempfile.TemporaryDirectory(prefix="kafka-classes-") as name:
        folder = Path(name)
        classes = folder / "classes"
        listing = (f"-XX:DumpLoadedClassList={classes}",)
        port = ports.first_free(_PORTS)
        service = kafka_server.service(java, jars, folder, folder, port, options=listing)
        running = Running(service, secrets.token_hex(8))
        try:
            running.await_health(step, lambda: False)
        finally:
            running.stop()
        partial = path.with_suffix(".partial")
        dump = ("-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={partial}")
        done = subprocess.run(
            kafka_server.command(java, jars, options=dump),
            capture_output=True,
            text=True,
            timeout=DUMP_SECONDS,
            check=False,
        )
        if done.returncode:
            raise UserError(f"java -Xshare:dump ended with exit code {done.returncode}")
        partial.rename(path)

"""The Spark session: the Java it runs on, its jars, its memory, and how the queries share the cores."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from py4j import java_gateway
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipeline import files, jars, java, runtime, settings, spark_daemon
from pipeline.console import Interrupted, UsageError, UserError
from pipeline.display import Display
from pipeline.java import Java
from pipeline.spark_errors import innermost_cause

log = logging.getLogger(__name__)

NAME = "sensor-streaming"
VECTOR_MODULE = "jdk.incubator.vector"
LOG_SETTINGS = runtime.ROOT / "spark-log4j2.properties"
# Rows and bytes that go to Python at once.
_ARROW_ROWS, _ARROW_BYTES = 20_000, 16 * 1024 * 1024
# After an interruption: how long Java may take to fall silent, and to end by itself.
_MUTE_SECONDS, _END_SECONDS = 2.0, 15.0


@dataclass(frozen=True)
class Wish:
    """What a session shall have: `master` (None: local, or what spark-submit says), and the driver's memory.

    `checkpoint` is the folder of the checkpoints, `slots` how many tasks run at once where Spark is local, `partitions`
    how many parts the windows' state has.
    """

    master: str | None
    memory: str
    checkpoint: str
    slots: int
    partitions: int
    java_options: str = ""
    debug: bool = False


def local_slots(partitions: int) -> int:
    """Task slots for local mode: Real-time Mode keeps one for each partition, the other queries need some as well."""
    return max(os.cpu_count() or 1, partitions + 3)


def is_submitted() -> bool:
    """Whether spark-submit started us: then Java, jars and memory are what it was told."""
    return settings.variable("PYSPARK_GATEWAY_PORT") is not None


@contextmanager
def opened(wish: Wish) -> Iterator[SparkSession]:
    """A session with fair scheduling, stopped at the end; raises UserError when Spark cannot start."""
    properties = {
        "spark.scheduler.mode": "FAIR",
        "spark.sql.shuffle.partitions": str(wish.partitions),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(_ARROW_ROWS),
        "spark.sql.execution.arrow.maxBytesPerBatch": str(_ARROW_BYTES),
        # The state of the windows lies beside the heap, and each batch writes what it changed.
        "spark.sql.streaming.stateStore.providerClass": (
            "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
        ),
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        "spark.sql.streaming.stopTimeout": "20s",
        # The windows' watermark stands in their code, so that each batch adds to it: by default the router's would be
        # gone when its next batch begins, and alerts would wait until it is compiled. 1000 entries take some 10 MB.
        "spark.sql.codegen.cache.maxEntries": "1000",
        "spark.redaction.regex": "(?i)secret|password|token|access[.]?key|jaas|ssl[.]keystore[.]key",
        "spark.ui.showConsoleProgress": "false",
        # Otherwise PySpark asks Java three things more for each column: seconds in all before the queries start.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }
    if urlsplit(wish.checkpoint).scheme in ("", "file"):
        # The other one runs chmod and readlink as processes, several for each file.
        properties["spark.sql.streaming.checkpointFileManagerClass"] = (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        )
    if not is_submitted():
        properties |= _own_properties(wish)
    if not wish.debug:
        _silence_py4j()
    try:
        builder = SparkSession.builder.appName(NAME)
        for name, value in properties.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
    except (Py4JError, PySparkException, OSError) as error:
        raise UserError(f"Spark cannot start: {innermost_cause(str(error))} (--debug shows more)") from error
    if not wish.debug:
        # PySpark's server prints a traceback when Java ends in the middle of what it tells.
        accumulators: Any = session.sparkContext._accumulatorServer
        accumulators.handle_error = lambda *_: None
    # Spark's own handler talks to its Java once more, in the middle of whatever is being said.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = session.stop
    with tempfile.TemporaryDirectory(prefix="sensor-streaming-") as folder:
        try:
            _require_kafka(session)
            session.sparkContext.addPyFile(_packed(Path(folder)))
            yield session
        except (KeyboardInterrupt, Interrupted):
            stop = partial(_end_at_once, session)
            raise
        finally:
            stop()


def _silence_py4j() -> None:
    """Keep to --debug what Py4J logs, with tracebacks: the supervisor reports the same errors in a line."""
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    # A connection that breaks off it logs with the root logger.
    logging.getLogger().addFilter(lambda record: record.pathname != java_gateway.__file__)


def _end_at_once(session: SparkSession) -> None:
    """End Spark's Java without waiting for the queries, after an interruption."""
    # The connection of this thread may still hold the answer to what was interrupted; another thread has its own.
    thread = threading.Thread(target=_mute, args=(session,), daemon=True)
    thread.start()
    thread.join(_MUTE_SECONDS)
    # Under spark-submit it is not ours: there it ends when we do.
    java_process: Any = getattr(session.sparkContext._gateway, "proc", None)
    if java_process is None:
        return
    # It ends by itself, and removes its files, when nobody is at the other end any more.
    with suppress(OSError):
        java_process.stdin.close()
    try:
        java_process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        java_process.kill()
        java_process.wait()


def _mute(session: SparkSession) -> None:
    """Let nothing more come of Spark: queries that are cut off end with a page of text each."""
    with suppress(Py4JError, PySparkException, OSError):
        java: Any = session.sparkContext._jvm
        java.System.setErr(java.java.io.PrintStream(java.java.io.OutputStream.nullOutputStream()))


def _own_properties(wish: Wish) -> dict[str, str]:
    display = Display()
    with display.step("java", "looking for it") as step:
        found = java.ensure(step)
    with display.step("jars", "looking for them") as step:
        folder = jars.ensure("spark", found, step)
    settings.set_variable("JAVA_HOME", str(java_home(found)))
    # Otherwise the executors take another Python and miss the packages.
    settings.set_variable("PYSPARK_PYTHON", sys.executable)
    settings.set_variable("PYSPARK_DRIVER_PYTHON", sys.executable)
    log_options = [] if wish.debug else [f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}"]
    master = wish.master or f"local[{wish.slots}]"
    local = {} if not master.startswith("local") else _local_properties()
    return {
        "spark.master": master,
        "spark.jars": ",".join(str(jar) for jar in sorted(folder.glob("*.jar"))),
        "spark.driver.memory": wish.memory,
        "spark.driver.extraJavaOptions": " ".join([*log_options, wish.java_options]),
        "spark.ui.enabled": "false",
        **local,
    }


def _local_properties() -> dict[str, str]:
    # The workers of a cluster have our modules as a zip, which its daemon knows nothing of.
    environment = {f"spark.executorEnv.{name}": value for name, value in spark_daemon.ENVIRONMENT.items()}
    return {"spark.driver.host": "127.0.0.1", "spark.python.daemon.module": spark_daemon.MODULE, **environment}


def java_home(java: Java, folder: Path = runtime.FOLDER) -> Path:
    """A folder for JAVA_HOME whose bin/java leaves out the module that Spark's launcher names always.

    Runtimes that were cut to size lack it, others warn that it is an incubator; we do not use what it makes faster.
    """
    wrapper = folder / "spark-java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    script = (
        "#!/usr/bin/env bash\n"
        "words=()\n"
        f'for word in "$@"; do [ "$word" = "--add-modules={VECTOR_MODULE}" ] || words+=("$word"); done\n'
        f'exec {shlex.quote(str(java.executable.absolute()))} "${{words[@]}}"\n'
    )
    # In a container it was made beforehand, and cannot be written.
    if wrapper.is_file() and wrapper.read_text(encoding="utf-8") == script:
        return wrapper.parent.parent
    files.write_whole(wrapper, script, 0o755)
    return wrapper.parent.parent


def _require_kafka(session: SparkSession) -> None:
    try:
        session.readStream.format("kafka").option("kafka.bootstrap.servers", "-").option("subscribe", "-").load()
    except PySparkException as error:
        if "Failed to find data source" not in str(error) and "DATA_SOURCE_NOT_FOUND" not in str(error):
            raise
        raise UsageError(
            f"Spark has no Kafka source; give spark-submit --jars '{jars.folder_of('spark')}/*.jar' "
            "('python stack.py prepare' fetches them)"
        ) from None


def _packed(folder: Path) -> str:
    """Our package as a zip, for the executors: they may run elsewhere, or in another folder."""
    path = folder / "pipeline.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((runtime.ROOT / "pipeline").glob("*.py")):
            archive.write(file, f"pipeline/{file.name}")
    return str(path)

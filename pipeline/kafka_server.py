"""A Kafka broker as a local process: KRaft, broker and controller in one, on 127.0.0.1 alone."""

from __future__ import annotations

import base64
import hashlib
import logging
import subprocess
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipeline import ports
from pipeline.console import UserError
from pipeline.java import FIRST_COMPILER_ALONE, Java
from pipeline.services import Service

# The controller listens so far above the broker, or on the next free port: below those that clients are given.
CONTROLLER_OFFSET = 10_000
STARTUP_SECONDS = 90.0
REQUEST_SECONDS = 0.5

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# After a crash the broker may come back when its last session has expired; the default is 9 seconds.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
# One broker: every internal topic has one replica, and few partitions are enough.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# Compacting small internal topics needs little memory; the default takes 128 MB of the heap.
log.cleaner.dedupe.buffer.size=8388608
"""

_LOG4J = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{HH:mm:ss.SSS}} %-5p %m (%c{{1}})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
# The whole configuration at every start, and the controller's every record, hide what matters.
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
logger.state.name = state.change.logger
logger.state.level = warn
"""


def archive(java: Java, jars: Path) -> Path:
    """Where the archive of Kafka's classes for this very Java lies, if it was made (see kafka_archive.py)."""
    return jars.with_name(f"{jars.name}-{hashlib.sha256(java.build.encode()).hexdigest()[:12]}.jsa")


def command(java: Java, jars: Path, *main: str, options: Sequence[str] = ()) -> tuple[str, ...]:
    """The command that runs a main class of Kafka's jars."""
    shared = archive(java, jars)
    return (
        str(java.executable),
        *((f"-XX:SharedArchiveFile={shared}",) if shared.is_file() else ()),
        # A small heap: Kafka keeps messages in the page cache. The serial collector takes least from the two cores.
        *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError"),
        # Of an option given twice the last counts.
        *options,
        *("-cp", f"{jars}/*", *main),
    )


def service(java: Java, jars: Path, folder: Path, logs: Path, port: int, *, options: Sequence[str] = ()) -> Service:
    """A broker on `port` with its data in `folder`, which is made and formatted where that is missing.

    `options` are more options for the JVM.
    Raises UserError when the data cannot lie there or cannot be formatted.
    """
    folder = folder.absolute()
    data = folder / "data"
    if "," in str(data):
        raise UserError(f"Kafka takes no comma in the path of its data: {data}; name another --data-dir")
    folder.mkdir(parents=True, exist_ok=True)
    # The controller's port may be another at each start: only the broker itself uses it.
    first = port + CONTROLLER_OFFSET if port + CONTROLLER_OFFSET + 1000 < 65536 else port - CONTROLLER_OFFSET
    controller = ports.first_free(range(first, first + 1000))
    if not (data / "meta.properties").is_file():
        _format(java, jars, folder, data, port, controller)
    properties = folder / "server.properties"
    properties.write_text(_properties(data, port, controller))
    log4j = folder / "log4j2.properties"
    log4j.write_text(_LOG4J.format(log=_escaped(logs.absolute() / "kafka.log")))
    return Service(
        name="kafka",
        command=command(
            java, jars, "kafka.Kafka", str(properties), options=(f"-Dlog4j2.configurationFile={log4j}", *options)
        ),
        healthy=health(f"{ports.HOST}:{port}", cluster_id(folder)),
        log=logs / "kafka.log",
        output=logs / "kafka-jvm.log",
        folder=folder,
        address=f"{ports.HOST}:{port}",
        patience=STARTUP_SECONDS,
        grace=30.0,
    )


def _properties(data: Path, port: int, controller: int) -> str:
    return _PROPERTIES.format(host=ports.HOST, port=port, controller=controller, data=_escaped(data))


def _escaped(path: Path) -> str:
    r"""A path as a Java properties file holds it: ISO 8859-1, others as \uXXXX (java.util.Properties.load)."""
    units = str(path).encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return "".join(chr(code) if 32 <= code < 127 and code != 92 else f"\\u{code:04x}" for code in codes)


def _format(java: Java, jars: Path, folder: Path, data: Path, port: int, controller: int) -> None:
    # Formatted beside and renamed: a format that was cut off is not taken for a whole one.
    fresh = folder / f"format-{uuid.uuid4().hex[:8]}"
    properties = folder / f"{fresh.name}.properties"
    properties.write_text(_properties(fresh, port, controller))
    words = ("format", "--cluster-id", _new_cluster_id(), "--config", str(properties))
    done = subprocess.run(
        command(java, jars, "kafka.tools.StorageTool", *words, options=(FIRST_COMPILER_ALONE,)),
        capture_output=True,
        text=True,
        check=False,
    )
    properties.unlink()
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UserError(f"Kafka cannot format {data}: {lines[-1] if lines else f'exit code {done.returncode}'}")
    fresh.rename(data)


def _new_cluster_id() -> str:
    """A Kafka Uuid: 16 random bytes in URL-safe Base64 without padding; a leading dash would look like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def cluster_id(folder: Path) -> str:
    """The id that the data of a broker was formatted with; '' when it was not."""
    try:
        lines = (folder / "data" / "meta.properties").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), "")


def health(address: str, cluster: str) -> Callable[[], bool]:
    """A check that asks the broker for its metadata, and whether it is the one with that cluster id."""
    clients: list[AdminClient] = []
    quiet = logging.getLogger("kafka-health")
    quiet.disabled = True

    def check() -> bool:
        if not clients:
            options: dict[str, Any] = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200, "logger": quiet}
            clients.append(AdminClient({"bootstrap.servers": address, **options}))
        try:
            metadata = clients[0].list_topics(timeout=REQUEST_SECONDS)
        except KafkaException:
            return False
        return bool(metadata.brokers) and metadata.cluster_id == cluster

    return check

"""What other people would move the readings into MongoDB with, as processes: peers of the job.

Each stores a topic from its beginning in the collection `sensor_metrics`, in a consumer group of its own; see the
scripts in `peers`. A message that is read twice is stored once by `quix` and by the connector "by id", and twice by the
others. Each is a context manager that gives the processes, which it ends at its end; it raises RuntimeError, with the
end of the process's log, where one has ended or failed before. Who waits for what they do calls `check` now and then.
The processes start when it is entered, so all that they have used of the processors is what the work took, their start
included; what prepares them (environments, jars) is done before.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from harness import free_port
from measuring import PEERS, peer_environment

from pipeline import jars, java, ports
from pipeline.display import Display

COLLECTION = "sensor_metrics"
# A peer commits what it has before it ends.
END_SECONDS = 20.0
LOG_END = 3000
# Kafka Connect's worker goes on without a task that failed.
TASK_FAILED = "Task threw an uncaught and unrecoverable exception"
HEAP = "1g"
# Messages that Connect hands to the connector at once, and so documents in a bulk: as many as the others take.
CONNECT_BATCH = 2000

Mode = Literal["insert", "by id"]

_TRANSFORMS = "org.apache.kafka.connect.transforms"
_STRATEGIES = "com.mongodb.kafka.connect.sink"

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %-5p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


@dataclass(frozen=True)
class Target:
    """Where a peer reads (a topic at brokers) and writes (a database), and the folder for its logs and properties."""

    servers: str
    topic: str
    uri: str
    database: str
    folder: Path


class Peer(psutil.Popen):
    """A process of a peer; what it prints goes to `log`."""

    log: Path

    def check(self) -> None:
        """Raises RuntimeError, with the end of its log, where the process has ended or does no more."""
        code = self.poll()
        said = self.log.read_text(errors="replace")
        if code is not None or TASK_FAILED in said:
            happened = "failed" if code is None else f"ended with {code}"
            raise RuntimeError(f"{self.log.stem} {happened}:\n{said[-LOG_END:]}")


def check(peers: Sequence[Peer]) -> None:
    """Raises RuntimeError, with the end of its log, where one of them has ended or does no more."""
    for peer in peers:
        peer.check()


@contextmanager
def quix(target: Target, processes: int) -> Iterator[list[Peer]]:
    """Quix Streams' MongoDBSink, in so many processes that share the partitions."""
    with _running(target, "quix", _scripts("sink_quix.py", target, processes)) as started:
        yield started


@contextmanager
def loop(target: Target, processes: int) -> Iterator[list[Peer]]:
    """The loop by hand, in so many processes that share the partitions."""
    with _running(target, "loop", _scripts("sink_loop.py", target, processes)) as started:
        yield started


@contextmanager
def connect(target: Target, mode: Mode, tasks: int) -> Iterator[list[Peer]]:
    """Kafka Connect with MongoDB's connector in so many tasks, all in one process.

    It stores the readings as new documents with ids that the driver makes ("insert"), or replaces by the event's id.
    """
    target.folder.mkdir(parents=True, exist_ok=True)
    name = f"connect-{secrets.token_hex(4)}"
    worker, connector = target.folder / f"{name}-worker.properties", target.folder / f"{name}.properties"
    _write(worker, worker_properties(target, target.folder / f"{name}.offsets", free_port()))
    _write(connector, connector_properties(target, name, mode, tasks))
    with _running(target, name, [_connect_command(target.folder, worker, connector)]) as started:
        yield started


def windows_quix(target: Target, count: int) -> list[str]:
    """The command that counts so many readings in windows with Quix Streams, for `measuring.run_command`.

    It prints a line of JSON with the messages and the seconds, and fails where a reading is left out.
    """
    return _windows("quix", "windows_quix.py", target, count)


def windows_pathway(target: Target, count: int) -> list[str]:
    """The same with Pathway."""
    return _windows("pathway", "windows_pathway.py", target, count)


def worker_properties(target: Target, offsets: Path, port: int) -> dict[str, Any]:
    """The properties of a standalone worker of Kafka Connect, whose REST server listens on `port`."""
    return {
        "bootstrap.servers": target.servers,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": offsets,
        # How often the tasks commit; the default is a minute.
        "offset.flush.interval.ms": 5000,
        "listeners": f"http://{ports.HOST}:{port}",
        # The plugins are on the class path, each named in META-INF; looking through all classes takes seconds.
        "plugin.discovery": "service_load",
        "consumer.auto.offset.reset": "earliest",
        "consumer.max.poll.records": CONNECT_BATCH,
        # A poll gives what one fetch brought: with few bytes in it the bulks are short.
        "consumer.fetch.min.bytes": 262_144,
        "consumer.fetch.max.wait.ms": 100,
        "consumer.max.partition.fetch.bytes": 4_194_304,
    }


def connector_properties(target: Target, group: str, mode: Mode, tasks: int) -> dict[str, Any]:
    """The properties of MongoDB's connector, which reads in the consumer group given."""
    return {
        # Without a digit: the connector takes those of its name for a task's number, and all tasks for the same.
        "name": "readings",
        "consumer.override.group.id": group,
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "tasks.max": tasks,
        "topics": target.topic,
        "connection.uri": target.uri,
        "database": target.database,
        "collection": COLLECTION,
        # One bulk for all that a poll has given.
        "max.batch.size": 0,
        "bulk.write.ordered": "false",
        "transforms.date.type": f"{_TRANSFORMS}.TimestampConverter$Value",
        "transforms.date.field": "timestamp",
        "transforms.date.target.type": "Timestamp",
        # Java's old formats take all digits of a fraction for milliseconds. With another number right behind only
        # three belong to them; the rest is read as a weekday, which counts for nothing beside a date.
        "transforms.date.format": "yyyy-MM-dd'T'HH:mm:ss.SSSu'Z'",
        **(_insert() if mode == "insert" else _by_id()),
    }


def _insert() -> dict[str, str]:
    return {
        "transforms": "date",
        "writemodel.strategy": f"{_STRATEGIES}.writemodel.strategy.InsertOneDefaultStrategy",
        "document.id.strategy": f"{_STRATEGIES}.processor.id.strategy.BsonOidStrategy",
    }


def _by_id() -> dict[str, str]:
    # The strategies that take an id from part of a value make it a document; this one takes a string.
    return {
        "transforms": "date,id",
        "transforms.id.type": f"{_TRANSFORMS}.ReplaceField$Value",
        "transforms.id.renames": "event_id:_id",
        "writemodel.strategy": f"{_STRATEGIES}.writemodel.strategy.ReplaceOneDefaultStrategy",
        "document.id.strategy": f"{_STRATEGIES}.processor.id.strategy.ProvidedInValueStrategy",
        # Without it the log has a warning for each message: it is the same id.
        "document.id.strategy.overwrite.existing": "true",
    }


def _connect_command(folder: Path, worker: Path, connector: Path) -> list[str]:
    with Display().step("java") as step:
        found = java.ensure(step)
    with Display().step("jars") as step:
        classes = jars.ensure("connect", found, step, ivy_file=PEERS / "connect.xml")
    logging = folder / "connect-log4j2.properties"
    logging.write_text(_LOG4J)
    memory = [f"-Xms{HEAP}", f"-Xmx{HEAP}"]
    main = ["-cp", f"{classes}/*", "org.apache.kafka.connect.cli.ConnectStandalone"]
    return [str(found.executable), *memory, f"-Dlog4j2.configurationFile={logging}", *main, str(worker), str(connector)]


def _write(file: Path, properties: Mapping[str, Any]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _scripts(script: str, target: Target, processes: int) -> list[list[str]]:
    group = f"{Path(script).stem}-{secrets.token_hex(4)}"
    python = peer_environment("quix")
    command = [str(python), str(PEERS / script), target.servers, target.topic, target.uri, target.database, group]
    return [command] * processes


def _windows(environment: str, script: str, target: Target, count: int) -> list[str]:
    return [str(peer_environment(environment)), str(PEERS / script), target.servers, target.topic, str(count)]


@contextmanager
def _running(target: Target, name: str, commands: Sequence[Sequence[str]]) -> Iterator[list[Peer]]:
    target.folder.mkdir(parents=True, exist_ok=True)
    started: list[Peer] = []
    try:
        for number, command in enumerate(commands):
            started.append(_start(command, target.folder, f"{name}-{number}"))
        yield started
    except Exception:
        # Why it waited in vain is what matters to who waits.
        check(started)
        raise
    else:
        check(started)
    finally:
        _end(started)


def _start(command: Sequence[str], folder: Path, name: str) -> Peer:
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        peer = Peer(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    peer.log = log
    return peer


def _end(started: Sequence[Peer]) -> None:
    for peer in started:
        with suppress(psutil.NoSuchProcess):
            peer.terminate()
    _, left = psutil.wait_procs(started, timeout=END_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=END_SECONDS)

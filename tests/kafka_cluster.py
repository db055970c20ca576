"""A real Kafka cluster on this machine: several nodes, each of them broker and controller."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from harness import KafkaProgram, await_condition, free_port, kafka_program, quiet_display

from pipeline import kafka_server, ports
from pipeline.broker import Connection
from pipeline.console import UserError
from pipeline.java import FIRST_COMPILER_ALONE
from pipeline.services import Running, Service

# Half of what a single broker has: there are several, and their load is shared.
_HEAP = ("-Xms64m", "-Xmx256m")
# Who is asked to stop when most controllers are gone already waits for them in vain; nobody needs the data any more.
_GRACE_SECONDS = 5.0

# What differs from a broker that is alone. Java takes the last of a property given twice.
_PROPERTIES = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
default.replication.factor={nodes}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={nodes}
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={nodes}
share.coordinator.state.topic.min.isr={in_sync}
"""


@dataclass(frozen=True)
class KafkaCluster:
    """A cluster at work: the addresses of its brokers with commas between, and a process for each node."""

    servers: str
    nodes: Sequence[Running]


@dataclass(frozen=True)
class _Node:
    """A node to be: its number from 1 on, and the ports of its broker and of its controller."""

    number: int
    port: int
    controller: int


@contextmanager
def kafka_cluster(folder: Path, nodes: int = 3) -> Iterator[KafkaCluster]:
    """So many nodes with their data in `folder`, stopped at the end.

    A topic has a replica on each node unless it asks for another number, and takes what all but one of them have.
    Raises UserError when a node cannot be formatted or does not start, AssertionError when they do not find together.
    """
    program = kafka_program()
    folder.mkdir(parents=True)
    cluster = _storage_tool(program, folder, "random-uuid")
    planned = [_Node(number, free_port(), free_port()) for number in range(1, nodes + 1)]
    servers = ",".join(f"{ports.HOST}:{one.port}" for one in planned)
    running: list[Running] = []
    try:
        for node in planned:
            service = _service(program, folder / f"node-{node.number}", cluster, node, planned)
            running.append(Running(service, secrets.token_hex(8), attached=False))
        with quiet_display().step("kafka") as step:
            for one in running:
                one.await_health(step, lambda: False)
        await_condition(lambda: _brokers(servers) == nodes, f"{nodes} brokers in a cluster at {servers}")
        yield KafkaCluster(servers, running)
    finally:
        for one in reversed(running):
            one.stop(_GRACE_SECONDS)


def _service(program: KafkaProgram, folder: Path, cluster: str, node: _Node, planned: Sequence[_Node]) -> Service:
    """A node that is formatted as part of the cluster, and not started yet."""
    folder.mkdir()
    own = _PROPERTIES.format(
        host=ports.HOST,
        node=node.number,
        port=node.port,
        controller=node.controller,
        voters=",".join(f"{one.number}@{ports.HOST}:{one.controller}" for one in planned),
        nodes=len(planned),
        in_sync=max(1, len(planned) - 1),
    )
    # The place that the broker looks for its data in; a path of its own would have to be escaped.
    (folder / "format.properties").write_text(f"{own}log.dirs=data\n")
    _storage_tool(program, folder, "format", "--cluster-id", cluster, "--config", "format.properties")
    java_options = (*program.options, *_HEAP)
    service = kafka_server.service(program.java, program.jars, folder, folder / "logs", node.port, options=java_options)
    properties = folder / "server.properties"
    properties.write_text(properties.read_text() + own)
    return service


def _storage_tool(program: KafkaProgram, folder: Path, *words: str) -> str:
    """What Kafka's tool says that prepares data, run in `folder`; raises UserError when it fails."""
    done = subprocess.run(
        kafka_server.command(
            program.java, program.jars, "kafka.tools.StorageTool", *words, options=(FIRST_COMPILER_ALONE,)
        ),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise UserError(f"Kafka's StorageTool {words[0]} failed in {folder}: {lines[-1]}")
    return done.stdout.strip()


def _brokers(servers: str) -> int:
    """How many brokers know of each other."""
    try:
        return len(AdminClient(Connection(servers).properties()).list_topics(timeout=5).brokers)
    except KafkaException:
        return 0

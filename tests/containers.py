"""The stack in containers, from docker-compose.yml, under a name and on ports of its own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import await_condition, free_port
from testcontainers.compose import DockerCompose

from pipeline import runtime

# What is started and stays; the others do their work and end.
STAYING = ("kafka", "mongo", "spark", "producer", "dashboard")
ONCE = ("credentials", "topics")


@dataclass(frozen=True)
class ContainerStack:
    """The stack at work: `compose` runs commands of Docker Compose on it, the ports are those on this machine."""

    compose: DockerCompose
    kafka_port: int
    mongo_port: int
    page_port: int

    def run(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command of Docker Compose, which has to end with that code, any where it is None."""
        command = [*self.compose.docker_compose_command(), *words]
        done = subprocess.run(
            command, cwd=self.compose.context, capture_output=True, text=True, timeout=900, check=False
        )
        assert code is None or done.returncode == code, f"{words} ended with {done.returncode}: {done.stderr[-3000:]}"
        return done

    def connections(self) -> dict[str, str]:
        """How to connect, by name, as a person gets it printed."""
        printed = self.run("run", "--rm", "connections").stdout
        return {line[:18].strip(): line[18:] for line in printed.splitlines()}

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        identity = self.run("ps", "--all", "--quiet", service).stdout.strip()
        said = subprocess.run(["docker", "inspect", identity], capture_output=True, text=True, check=True).stdout
        found: dict[str, Any] = json.loads(said)[0]
        return found

    def state(self, service: str) -> str:
        """A service's health, or its status where it has no health check."""
        state = self.inspect(service)["State"]
        return str(state.get("Health", {}).get("Status", state["Status"]))

    def kill(self, service: str) -> None:
        """End a container's first process as a crash would: `docker kill` would tell the engine to leave it dead."""
        before = self.inspect(service)
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        await_condition(
            lambda: self.inspect(service)["RestartCount"] > before["RestartCount"], f"{service} is started again"
        )

    def await_healthy(self, *services: str) -> None:
        """Wait until services are well."""
        for service in services:
            await_condition(lambda one=service: self.state(one) in {"healthy", "running"}, f"{service} is healthy")


def _compose_files(more: Sequence[str]) -> list[str]:
    start = ("docker", "run", "--rm", "--entrypoint", "test", "apache/kafka:4.3.1", "-x", "/etc/kafka/docker/run")
    is_real = subprocess.run(start, capture_output=True, check=False).returncode == 0
    stand_ins = ["tests/docker/stand-in.yml"]
    if "docker-compose.cluster.yml" in more:
        stand_ins.append("tests/docker/stand-in-cluster.yml")
    return ["docker-compose.yml", *more, *([] if is_real else stand_ins)]


@contextmanager
def container_stack(
    folder: Path, *, files: Sequence[str] = (), services: Sequence[str] = (), **variables: object
) -> Iterator[ContainerStack]:
    """Start everything from nothing, and leave nothing behind but the images.

    `files` are laid over docker-compose.yml; of `services`, if any are named, those alone are started, and what they
    need.
    """
    names = ("KAFKA_PORT", "MONGO_PORT", "PAGE_PORT", "KAFKA_PORT_2", "KAFKA_PORT_3")
    ports = {name: free_port() for name in names}
    project = f"test-{secrets.token_hex(4)}"
    given = {"COMPOSE_PROJECT_NAME": project, **ports, **variables}
    env_file = folder / "variables.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in given.items()), encoding="utf-8")
    compose = DockerCompose(
        runtime.ROOT, _compose_files(files), env_file=str(env_file), build=True, services=list(services) or None
    )
    made = ContainerStack(compose, ports["KAFKA_PORT"], ports["MONGO_PORT"], ports["PAGE_PORT"])
    try:
        compose.start()
        yield made
    except BaseException:
        print(made.run("ps", "--all", code=None).stdout, made.run("logs", "--tail", "40", code=None).stdout)
        raise
    finally:
        compose.stop()

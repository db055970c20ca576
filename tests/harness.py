"""What the tests start and end: a real broker, and the scripts of this repository as processes."""

from __future__ import annotations

import io
import operator
import os
import random
import secrets
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_exponential

from pipeline import jars, java, kafka_archive, kafka_server, mongod, options, ports, processes, runtime, settings
from pipeline.display import Display
from pipeline.java import Java
from pipeline.services import Running
from pipeline.settings import inherited_environment

HANG_SECONDS = 120.0
# Ports below those that the system hands to clients; test files that run side by side have a thousand each.
_FIRST_PORT = 20_000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = deque(range(_FIRST_PORT, _FIRST_PORT + 1000))
_ports.rotate(random.randrange(1000))


def await_condition(condition: Callable[[], bool], what: str, seconds: float = HANG_SECONDS) -> None:
    """Poll until it holds, ever less often: what takes long needs the machine. Fails with `what` after `seconds`."""

    def fail(_state: RetryCallState) -> None:
        raise AssertionError(f"after {seconds:g} s still not: {what}")

    Retrying(
        retry=retry_if_result(operator.not_),
        wait=wait_exponential(multiplier=0.05, exp_base=1.05, max=0.5),
        stop=stop_after_delay(seconds),
        retry_error_callback=fail,
    )(condition)


def free_port() -> int:
    """A free port that nobody was given lately."""
    port = ports.first_free(_ports)
    _ports.remove(port)
    _ports.append(port)
    return port


def processes_with(variable: str, content: str | None = None) -> list[psutil.Process]:
    """The running processes whose environment has a variable, with that content if one is given."""
    found = []
    for process in processes.every():
        with suppress(psutil.Error):
            actual = process.environ().get(variable)
            is_meant = actual is not None if content is None else actual == content
            if is_meant and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass(frozen=True)
class Completed:
    """A script that has ended."""

    code: int
    stdout: str
    stderr: str


class Script:
    """A script of this repository at work; its output can be read at any time. `runner` is what runs it."""

    def __init__(
        self,
        words: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str | None],
        cwd: Path,
        runner: Sequence[str] = (sys.executable,),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{Path(words[0]).stem}-{secrets.token_hex(3)}"
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*runner, str(runtime.ROOT / words[0]), *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=inherited_environment(**environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._err.read_text(errors="replace")

    def await_output(self, text: str, *, times: int = 1, seconds: float = HANG_SECONDS) -> None:
        """Wait until stdout and stderr together hold a text so many times; fails at once when the script ends."""

        def holds() -> bool:
            return (self.stdout + self.stderr).count(text) >= times

        def holds_or_ended() -> bool:
            return holds() or self.process.poll() is not None

        await_condition(holds_or_ended, f"'{text}' in the output of {self.process.args!r}:\n{self.stderr}", seconds)
        assert holds(), f"ended with {self.process.returncode} without '{text}':\n{self.stdout}\n{self.stderr}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = HANG_SECONDS) -> Completed:
        """Wait until the script ends; fails, and ends it, when that takes too long."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"{self.process.args!r} hangs:\n{self.stdout}\n{self.stderr}") from None
        return Completed(code, self.stdout, self.stderr)

    def end(self) -> None:
        """Kill what is left of it and its process group."""
        left = [one for one in processes.of_group(self.pid) if one.pid != self.pid or self.process.poll() is None]
        processes.kill(left)
        self.process.wait(10)


@contextmanager
def scripts(folder: Path) -> Iterator[Callable[..., Script]]:
    """Starts scripts of this repository: `start("producer.py", "--count", 5, env={…})`.

    They run in `folder` unless `cwd` is given; what is left of them is killed at the end.
    """
    started: list[Script] = []

    def start(
        *words: Any, env: dict[str, str | None] | None = None, cwd: Path | None = None, **more: Sequence[str]
    ) -> Script:
        script = Script(tuple(str(word) for word in words), folder / "scripts", env or {}, cwd or folder, **more)
        started.append(script)
        return script

    try:
        yield start
    finally:
        for script in started:
            script.end()


@dataclass(frozen=True)
class LocalBroker:
    """A real Kafka broker of the tests."""

    servers: str
    port: int
    running: Running


def make_program(folder: Path, name: str, said: str, code: int = 0, stream: int = 1) -> Path:
    """A program that says a line, on stdout or on stderr (2), and ends with `code`."""
    folder.mkdir(parents=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{said}' >&{stream}\nexit {code}\n")
    program.chmod(0o755)
    return program


def quiet_display() -> Display:
    """A display that nobody sees."""
    return Display(Console(file=io.StringIO()))


@dataclass(frozen=True)
class KafkaProgram:
    """What a broker of the tests runs on: Java, Kafka's jars, and more options for Java."""

    java: Java
    jars: Path
    options: tuple[str, ...]


def kafka_program() -> KafkaProgram:
    """Java, Kafka's jars and the archive of their classes, fetched or made where they are missing."""
    display = Display()
    with display.step("java") as step:
        found = java.ensure(step)
    with display.step("jars") as step:
        folder_of_jars = jars.ensure("broker", found, step)
    with display.step("classes") as step:
        kafka_archive.ensure(found, folder_of_jars, step)
    # As stack.py takes them: the tests have some, the benchmarks none.
    words = settings.variable(options.KAFKA_JAVA_OPTIONS.variable)
    java_options = options.KAFKA_JAVA_OPTIONS.parse(words) if words else ()
    return KafkaProgram(found, folder_of_jars, java_options)


@contextmanager
def local_broker(
    folder: Path, port: int | None = None, *, more: Callable[[str], str] = lambda _given: ""
) -> Iterator[LocalBroker]:
    """A broker with its data in `folder` (kept from one start to the next), stopped at the end.

    `more` gets its server.properties and gives what is to be added.
    """
    program = kafka_program()
    port = port or free_port()
    where = (folder / "kafka", folder / "logs", port)
    service = kafka_server.service(program.java, program.jars, *where, options=program.options)
    properties = folder / "kafka" / "server.properties"
    given = properties.read_text()
    properties.write_text(f"{given}{more(given)}\n")
    running = Running(service, secrets.token_hex(8), attached=False)
    try:
        with quiet_display().step("kafka") as step:
            running.await_health(step, lambda: False)
        yield LocalBroker(service.address, port, running)
    finally:
        running.stop()


@dataclass(frozen=True)
class LocalMongod:
    """A real MongoDB server of the tests."""

    uri: str
    port: int
    running: Running


@contextmanager
def local_mongod(
    folder: Path, port: int | None = None, *, options: tuple[str, ...] = (), cache_gb: float = 0.25
) -> Iterator[LocalMongod]:
    """A MongoDB server with its data in `folder` (kept from one start to the next), stopped at the end."""
    with Display().step("mongod") as step:
        found = mongod.ensure(step)
    port = port or free_port()
    service = mongod.service(
        found.executable, folder / "mongo", folder / "logs", port, cache_gb=cache_gb, options=options
    )
    running = Running(service, secrets.token_hex(8), attached=False)
    try:
        with quiet_display().step("mongo") as step:
            running.await_health(step, lambda: False)
        yield LocalMongod(f"mongodb://{service.address}", port, running)
    finally:
        running.stop()

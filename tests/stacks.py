"""A stack of stack.py in tests: in a folder of its own, on ports of its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from harness import Completed, Script, free_port, processes_with

SERVICES = ("kafka", "mongo", "dashboard", "consumer", "spark", "producer")
# Who sends stops first, and who reads has the time to read the rest.
STOPPED = ("producer", "consumer", "spark", "dashboard", "mongo", "kafka")
# Spark takes half a minute to start, and what is true of five services is true of six.
ALL_BUT_SPARK = tuple(name for name in SERVICES if name != "spark")


@dataclass
class Stack:
    """A stack in a folder of its own on ports of its own."""

    start_script: Callable[..., Script]
    folder: Path
    port: int = field(default_factory=free_port)
    mongo_port: int = field(default_factory=free_port)
    page_port: int = field(default_factory=free_port)
    # Everything that the stack starts inherits this from it.
    sign: str = field(default_factory=lambda: f"STACK_TEST_{secrets.token_hex(8)}")

    def begin(self, command: str, *words: Any) -> Script:
        """Start a command of stack.py."""
        return self.start_script("stack.py", command, *words, "--data-dir", self.folder, env={self.sign: "1"})

    def up(self, *words: Any) -> Script:
        """`stack.py up`, without Spark unless `--services` is among the words."""
        ports = ("--kafka-port", self.port, "--mongo-port", self.mongo_port, "--dashboard-port", self.page_port)
        chosen = () if "--services" in words else ("--services", *ALL_BUT_SPARK)
        return self.begin("up", *ports, "--interval", 1, *words, *chosen)

    def run(self, command: str, *words: Any) -> Completed:
        """Run a command of stack.py to its end."""
        return self.begin(command, *words).wait()

    def pids(self) -> dict[str, int]:
        """The services by name, as the state file has them."""
        state = json.loads((self.folder / "services.json").read_text())
        return {service["name"]: service["process"]["pid"] for service in state["services"]}

    def mark(self) -> str:
        """The word that its processes carry, empty as long as none was to be started."""
        return str(json.loads((self.folder / "services.json").read_text()).get("mark", ""))

    def left(self) -> list[psutil.Process]:
        """Every process that was started in this test and still runs."""
        return processes_with(self.sign)

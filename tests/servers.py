"""A broker and a mongod that a test kills, freezes and lets come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from harness import LocalBroker, LocalMongod, free_port, local_broker, local_mongod

from pipeline.processes import kill


@dataclass
class Servers:
    """A broker ("kafka") and a mongod ("mongo") that come back with the same data on the same port."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {"kafka": free_port(), "mongo": free_port()})
    # The port where clients find the broker by the listener that a link leads to, once there is one.
    linked: int | None = None
    inner: int = field(default_factory=free_port)
    _kept: dict[str, ExitStack] = field(default_factory=dict)
    _at_work: dict[str, LocalBroker | LocalMongod] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """The broker's address."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def uri(self) -> str:
        """The mongod's address."""
        return f"mongodb://127.0.0.1:{self.ports['mongo']}"

    def start(self, name: str) -> None:
        """Start a server over what it had stored."""
        self._kept[name] = kept = ExitStack()
        if name == "kafka":
            self._at_work[name] = kept.enter_context(local_broker(self.folder, self.ports[name], more=self._listener))
        else:
            self._at_work[name] = kept.enter_context(local_mongod(self.folder, self.ports[name]))

    def _listener(self, properties: str) -> str:
        """What gives a broker another listener, whose clients are sent to the link."""
        if self.linked is None:
            return ""
        settings = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
        added = {
            "listeners": f"LINK://127.0.0.1:{self.inner}",
            "advertised.listeners": f"LINK://127.0.0.1:{self.linked}",
            "listener.security.protocol.map": "LINK:PLAINTEXT",
        }
        return "".join(f"\n{name}={settings[name]},{value}" for name, value in added.items())

    def process(self, name: str) -> psutil.Process:
        """The process of a server that runs."""
        return psutil.Process(self._at_work[name].running.identity.pid)

    def kill(self, name: str) -> None:
        """End it as a power cut does."""
        kill([self.process(name)])
        self.stop(name)

    def stop(self, name: str) -> None:
        """End it well."""
        self._kept.pop(name).close()

    def stop_all(self) -> None:
        """End what still runs."""
        for name in list(self._kept):
            self.stop(name)


@contextmanager
def both_servers(folder: Path) -> Iterator[Servers]:
    """Both at work, with their data in a folder; ended at the end."""
    own = Servers(folder)
    try:
        own.start("kafka")
        own.start("mongo")
        yield own
    finally:
        own.stop_all()

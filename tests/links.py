"""A TCP link between a client and a server of a test, which can be slowed and cut."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from harness import free_port

CHUNK, CHUNKS = 65_536, 1000


@dataclass
class Link:
    """Hands on what comes to `port` to the port `target`; `delay` is in seconds, for each direction."""

    target: int
    delay: float = 0.0
    port: int = field(default_factory=free_port)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        """Let nothing through, as a cable that is pulled out: connections stay open and silent."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """Let through again, what was held up first."""
        self._loop.call_soon_threadsafe(self._whole.set)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        # At the end all are cancelled, which asyncio would report as an error of ours.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._hand_on(reader, back), self._hand_on(there, writer))

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS)

        async def receive() -> None:
            chunk = b"-"
            while chunk:
                chunk = await reader.read(CHUNK)
                await waiting.put((self._loop.time() + self.delay, chunk))

        receiving = asyncio.create_task(receive())
        with suppress(OSError, asyncio.CancelledError):
            while (one := await waiting.get())[1]:
                await asyncio.sleep(max(0.0, one[0] - self._loop.time()))
                await self._whole.wait()
                writer.write(one[1])
                await writer.drain()
        receiving.cancel()
        writer.close()

    def run(self) -> None:
        """Work until `stop`."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._whole.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        await self._stopped.wait()
        server.close()

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._stopped.set)


@contextmanager
def link_to(target: int) -> Iterator[Link]:
    """A link to a port of this machine, closed at the end."""
    link = Link(target)
    thread = threading.Thread(target=link.run, daemon=True)
    thread.start()
    try:
        yield link
    finally:
        link.stop()
        thread.join()

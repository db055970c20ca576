"""A WSGI server on a port of this machine, in a thread, that ends without cutting off an answer."""

from __future__ import annotations

import logging
import threading
from typing import Any

import waitress
from waitress import wasyncore
from waitress.trigger import trigger

from pipeline import options, ports

# Ticks may wait for a MongoDB that is slow, each in a thread: more than as many viewers as one expects, so that health
# checks and files do not wait with them.
THREADS = 24
CLOSE_SECONDS = 5.0


class WebServer:
    """Listens from its making on; raises UserError where it cannot."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        # A burst of requests that wait for a thread is nothing to be told of.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._sockets: dict[int, Any] = {}
        try:
            self._server = waitress.create_server(
                app, map=self._sockets, host=host, port=port, threads=THREADS, ident=None
            )
        except OSError as error:
            raise ports.not_ours(error, host, port, options.PORT.flag) from None
        self._loop = threading.Thread(target=self._server.run, name="web", daemon=True)

    def start(self) -> None:
        """Answer requests until `stop`."""
        self._loop.start()

    def stop(self) -> None:
        """Finish the answers that are under way, drop what waits, close every socket."""
        self._server.task_dispatcher.shutdown(timeout=CLOSE_SECONDS)
        # The loop's own thread closes its sockets: it must not wait for one that another thread has closed.
        waker = next(one for one in self._sockets.values() if isinstance(one, trigger))
        waker.pull_trigger(lambda: wasyncore.close_all(self._sockets))
        self._loop.join(CLOSE_SECONDS)

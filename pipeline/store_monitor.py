"""How long MongoDB takes for what this process asks it, by the function that asked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from pymongo import monitoring
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

_STORES = "pipeline.store_"

# Called with the question, "ok" or "failed", and seconds.
Told = Callable[[str, str, float], None]


def watch(told: Told) -> None:
    """Tell of every command of the clients that are made from now on."""
    monitoring.register(_Listener(told))


class _Listener(CommandListener):
    def __init__(self, told: Told) -> None:
        self._told = told
        # A command ends in the thread that began it, before that begins another.
        self._asking = threading.local()

    def started(self, _event: CommandStartedEvent) -> None:
        self._asking.question = asker()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._told(self._asking.question, "ok", event.duration_micros / 1e6)

    def failed(self, event: CommandFailedEvent) -> None:
        self._told(self._asking.question, "failed", event.duration_micros / 1e6)


def asker() -> str:
    """The outermost function of a store's module that is at work in this thread, such as "store_dashboard.series"."""
    # As logging finds who has called it.
    found = "other"
    frame = sys._getframe(1)
    while frame.f_back:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_STORES) and module != __name__:
            name = frame.f_code.co_qualname.partition(".<locals>")[0]
            found = f"{module.removeprefix('pipeline.')}.{name}"
    return found

"""A service that stores what a topic holds, again and again: a Spark job's effects without Spark."""

from __future__ import annotations

import sys

from landed import land_windows, read_contents

from pipeline import store
from pipeline.console import StopRequest


def main(servers: str, topic: str, uri: str, database: str) -> None:
    """Go on until somebody ends it."""
    target = store.ensure(uri, database)
    print("landing", flush=True)
    with StopRequest() as stop:
        while not stop.wait(0.5):
            contents = read_contents(servers, topic)
            if len(contents.readings):
                land_windows(target, contents.land(target))


if __name__ == "__main__":
    main(*sys.argv[1:])

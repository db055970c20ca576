"""A service that stores what a topic holds, again and again: a Spark job's effects without Spark."""

from __future__ import annotations

import sys
import time

from landed import land_windows, read_contents

from pipeline import store


def main(servers: str, topic: str, uri: str, database: str) -> None:
    """Go on until somebody ends it."""
    target = store.ensure(uri, database)
    print("landing", flush=True)
    while True:
        contents = read_contents(servers, topic)
        if len(contents.readings):
            land_windows(target, contents.land(target))
        time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])

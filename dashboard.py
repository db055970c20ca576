"""Show on a web page what the sensors and the pipeline do, out of MongoDB."""

from __future__ import annotations

import argparse
import logging
import sys

from pipeline import catalog, options
from pipeline.console import ExitCode, StopRequest, start
from pipeline.settings import SettingsParser
from pipeline.snapshots import Rules, Snapshots
from pipeline.store import Store
from pipeline.web_server import WebServer

log = logging.getLogger(__name__)

# Pages share a snapshot that is younger than this part of the time between two ticks.
SHARED_PART = 0.8


def build_parser() -> SettingsParser:
    """The options of this script."""
    parser = SettingsParser(
        prog="dashboard.py",
        description="Show on a web page what the sensors and the pipeline do, out of MongoDB.",
        examples=[
            "python dashboard.py",
            "python dashboard.py --port 8060 --refresh 5",
            "python dashboard.py --mongo-uri mongodb://localhost:27018 --database plant_7",
        ],
    )
    parser.section("page", options.HOST, options.PORT, options.REFRESH)
    parser.section("MongoDB", options.MONGO_URI, options.DATABASE)
    parser.section("meaning", options.CATALOG, options.CLEAR_AFTER, options.ALIVE_WITHIN)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Serve the page until a signal."""
    # Dash takes a second or more to import: help and a wrong option need not wait for it.
    from pipeline import web  # noqa: PLC0415

    store = Store(settings.mongo_uri, settings.database)
    # A wrong URI is told now; that no server answers is told on the page.
    store.open()
    snapshots = Snapshots(
        store,
        catalog.load(settings.catalog),
        Rules(settings.clear_after, settings.alive_within),
        SHARED_PART * settings.refresh,
    )
    pages = web.build(store, snapshots, settings.refresh, debug=settings.debug)
    with StopRequest() as stop:
        server = WebServer(pages, settings.host, settings.port)
        server.start()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"http://{host}:{settings.port}/", flush=True)
        log.info("serving the page; MongoDB at %s, database %s; Ctrl-C ends it", store.address, store.database)
        while not stop.wait(3600):
            pass
        log.info("stopping")
        server.stop()
    return ExitCode.DONE


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

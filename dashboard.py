"""Show on a web page what the sensors and the pipeline do, out of MongoDB."""

from __future__ import annotations

import argparse
import getpass
import logging
import sys

from pipeline import catalog, checks, metrics, options, store_monitor
from pipeline import rules as alert_rules
from pipeline.console import ExitCode, StopRequest, UsageError, UserError, start
from pipeline.settings import SettingsParser
from pipeline.snapshots import SHARED_PART, Rules, Sources
from pipeline.store import Store
from pipeline.web_server import WebServer

log = logging.getLogger(__name__)


def build_parser() -> SettingsParser:
    """The options of this script."""
    parser = SettingsParser(
        prog="dashboard.py",
        description="Show on a web page what the sensors and the pipeline do, out of MongoDB.",
        examples=[
            "python dashboard.py",
            "python dashboard.py --port 8060 --refresh 5",
            "python dashboard.py --mongo-uri mongodb://localhost:27018 --database plant_7",
            "python dashboard.py --users users.txt --add-user ada",
            "python dashboard.py --users users.txt --host 0.0.0.0",
        ],
    )
    parser.section("page", options.HOST, options.PORT, options.REFRESH)
    parser.section("log-in", options.USERS, options.ADD_USER, options.SESSION_KEY, options.LOGIN_HINT)
    parser.section("MongoDB", options.MONGO_URI, options.DATABASE)
    parser.section("metrics", *options.METRICS)
    parser.section("meaning", options.CATALOG, options.RULES, options.CLEAR_AFTER, options.ALIVE_WITHIN)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Serve the page until a signal."""
    _check_combinations(settings)
    metrics.check(settings)
    # What brings the web server and Dash takes a second and more: help and a wrong option need not wait for it.
    from pipeline import page_users, web
    from pipeline.metrics_page import PageFigures
    from pipeline.web_login import Login

    if settings.add_user:
        page_users.add(settings.users, settings.add_user, _asked_password())
        log.info("%s can log in with --users %s", settings.add_user, settings.users)
        return ExitCode.DONE
    login = None
    if settings.users:
        login = Login(page_users.Users(settings.users), settings.session_key, settings.login_hint)
    store = Store(settings.mongo_uri, settings.database)
    rules = Rules(settings.clear_after, settings.alive_within)
    loaded = alert_rules.load(settings.rules)
    sources = Sources(store, catalog.load(settings.catalog), rules, alert_rules=loaded)
    snapshots = web.snapshots_of_pages(sources, SHARED_PART * settings.refresh)
    figures = PageFigures(store, snapshots)
    store_monitor.watch(figures.question)
    # A wrong URI is told now; that no server answers is told on the page.
    store.open()
    pages = web.build(store, snapshots, settings.refresh, login=login, figures=figures, debug=settings.debug)
    with StopRequest() as stop, metrics.served_if_asked(settings, lambda: figures.registry):
        server = WebServer(pages, settings.host, settings.port)
        server.start()
        host = checks.reachable_name(settings.host)
        print(f"http://{host}:{settings.port}/", flush=True)
        log.info("serving the page; MongoDB at %s, database %s; Ctrl-C ends it", store.address, store.database)
        while not stop.wait(3600):
            pass
        log.info("stopping")
        server.stop()
    return ExitCode.DONE


def _check_combinations(settings: argparse.Namespace) -> None:
    if not settings.users and not checks.is_loopback(settings.host):
        raise UsageError(
            f"--host {settings.host} can be reached from other machines: give --users FILE, so that the page asks for "
            "a password (--users FILE --add-user NAME makes one); or leave --host out, and look from another machine "
            "through an SSH tunnel: ssh -L 8050:127.0.0.1:8050 THIS_MACHINE"
        )
    for name in ("add_user", "session_key", "login_hint"):
        if name in settings.given and not settings.users:
            raise UsageError(f"{settings.given[name]} belongs to a page with users: give --users FILE as well")


def _asked_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise UserError("the two passwords differ: nothing is changed")
    return password


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

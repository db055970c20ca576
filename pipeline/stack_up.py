"""`stack.py up`: start the services, watch them, and bring them to a good end."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline import (
    options,
    ports,
    rules,
    runtime,
    settings,
    stack_admin,
    stack_parts,
    stack_state,
    stack_summary,
    verify_formats,
)
from pipeline.clock import SystemClock
from pipeline.console import ExitCode, StopRequest, UsageError
from pipeline.display import Display, plain_duration
from pipeline.oracle import Verdict
from pipeline.services import ServiceDied, StartStopped
from pipeline.stack_parts import PARTS, Plan
from pipeline.stack_revival import Revival
from pipeline.stack_session import Session
from pipeline.stack_summary import Summary
from pipeline.store import Store

# Where the scripts look for a broker unless they are told.
DEFAULT_SERVERS = f"{ports.HOST}:{options.KAFKA_PORT.default}"
WATCH_SECONDS = 0.2
# How long after its time a producer may wait for acknowledgements before it is asked to stop.
OVERTIME_SECONDS = 60.0
# How long after the producer's end the Spark job may take to store the rest.
STORE_SECONDS = 60.0
# How long after the producer's end the consumer may take to read the rest, beyond one interval.
READ_SECONDS = 15.0


def up(settings: argparse.Namespace, display: Display) -> int:
    """Start the chosen services and, unless detached, stay until a signal, a death, or the end of --seconds.

    Returns the exit code; raises UserError before anything is started.
    """
    if settings.detach and settings.seconds:
        raise UsageError("--detach leaves everything running, --seconds stops it: choose one")
    plan = Plan(settings, settings.data_dir)
    parts = [part for name, part in PARTS.items() if name in settings.services]
    stack_state.claim(plan.folder)
    with stack_admin.held(plan.folder):
        stack_admin.refuse_if_running(plan.folder)
        stack_parts.require_free_ports(parts, settings)
        began = time.monotonic()
        display.line(f"Starting {', '.join(part.name for part in parts)}", "bold")
        stack_parts.prepare(parts, plan, display)
        with StopRequest() as stop, Session(plan.folder, display, attached=not settings.detach) as session:
            try:
                for part in parts:
                    session.start(partial(part.make, plan), part.name, stop.is_set)
                _announce(plan, session, display, time.monotonic() - began)
                if settings.detach:
                    session.leave()
                    return ExitCode.DONE
                return _run(plan, session, display, stop)
            except StartStopped:
                display.line("Stopping before everything ran (Ctrl-C again ends it at once)", "bold")
                session.stop()
                return ExitCode.INTERRUPTED
            except ServiceDied as death:
                display.line(f"\n{death}", "bold red")
                display.block("The end of its log:", death.tail)
                display.line("Stopping the rest (Ctrl-C ends it at once)", "bold")
                session.stop(hurry=True)
                return ExitCode.FAILED


def _announce(plan: Plan, session: Session, display: Display, seconds: float) -> None:
    chosen, folder = plan.settings, plan.folder
    servers = () if plan.servers == DEFAULT_SERVERS else (options.SERVERS.flag, plan.servers)
    stop = stack_admin.how_to("down", folder)
    runs = f"everything runs, after {seconds:.1f} s"
    line = f"Open {plan.page} ({runs})" if session.find("dashboard") else runs.capitalize()
    display.line(f"\n{line}", "bold green")
    follow = stack_admin.how_to("logs", folder, session.running[0].service.name, options.FOLLOW.flag)
    rows = [("logs", f"{plan.logs}/"), ("try", stack_admin.how_to("status", folder)), ("", follow)]
    if session.find("mongo"):
        rows.insert(0, ("mongodb", f"{plan.mongo_uri} (for MongoDB Compass or mongosh)"))
    if session.find("kafka"):
        rows.insert(0, ("broker", plan.servers))
        rows.append(("", runtime.command("consumer.py", options.FROM_BEGINNING.flag, *servers)))
    if chosen.seconds:
        of_what = " of sending" if session.find("producer") else ""
        rows.append(("stop", f"by itself after {chosen.seconds:g} s{of_what}, or Ctrl-C"))
    else:
        rows.append(("stop", stop if chosen.detach else f"Ctrl-C, or in another terminal: {stop}"))
    for name, text in rows:
        display.line(f"  {name:<8}{text}")
    display.line()


def _run(plan: Plan, session: Session, display: Display, stop: StopRequest) -> int:
    session.show_output()
    began = time.monotonic()
    _watch(plan, session, display, stop, began)
    summary = _stop(plan, session, display, began, stop)
    if plan.settings.seconds:
        return _report(summary, display)
    figures = [f"{figure} {name}" for name, figure in summary.figures()]
    print(", ".join([f"Ran for {plain_duration(summary.seconds)}", *figures]) + "; all is stopped, the data is kept")
    return ExitCode.DONE


def _watch(plan: Plan, session: Session, display: Display, stop: StopRequest, began: float) -> None:
    """Return when a stop is asked for or the time is up; raises ServiceDied when a service cannot be kept alive."""
    limit = plan.settings.seconds
    revival = Revival(session, display, SystemClock())
    while not stop.wait(WATCH_SECONDS):
        # With a limit the producer ends by itself.
        revival.look(finishing="producer" if limit else None)
        producer = session.find("producer")
        seconds = time.monotonic() - began
        if limit and (seconds > limit + OVERTIME_SECONDS if producer else seconds >= limit):
            return
        if limit and producer and producer.exit_code() == ExitCode.DONE:
            return


def _stop(plan: Plan, session: Session, display: Display, began: float, stop: StopRequest) -> Summary:
    # It may have been started again since.
    producer = session.find("producer")
    seconds = time.monotonic() - (plan.sending_since if producer and plan.sending_since else began)
    asked = stop.is_set()
    display.line("\nStopping (Ctrl-C again ends it at once)" if asked else "\nThe time is up", "bold")
    names = [running.service.name for running in session.running]
    sent = acknowledged = read = comparison = None
    if "producer" in names:
        session.stop("producer")
        sent, acknowledged = stack_summary.produced(plan.ledger, plan.runs)
    if "consumer" in names:
        if acknowledged is not None and not asked:
            _await_read(plan, session, acknowledged)
        session.stop("consumer")
        # One that died knows nothing of what it had read before.
        read = None if session.was_started_again("consumer") else stack_summary.collected(plan.logs / "consumer.log")
    if "producer" in names and "spark" in names and not asked:
        comparison = _compare(plan, session, display, stop)
    session.stop()
    return Summary(sent, acknowledged, read, seconds, comparison)


def _compare(plan: Plan, session: Session, display: Display, stop: StopRequest) -> Verdict | None:
    """Compare what the producer had acknowledged with what is stored, while those who store it still run."""
    target = Store(plan.mongo_uri, options.DATABASE.default)
    # The Spark job has them from the environment as well.
    given = settings.variable(options.RULES.variable)
    judged_by = rules.load(Path(given) if given else None)

    def give_up() -> bool:
        return stop.is_set() or bool(session.ended())

    with display.step("verify") as step:
        return stack_summary.compared(
            target, plan.ledger, plan.runs, judged_by, step, seconds=STORE_SECONDS, give_up=give_up
        )


def _await_read(plan: Plan, session: Session, acknowledged: int) -> None:
    """Give the consumer the time to print a table that counts everything."""
    deadline = time.monotonic() + plan.settings.interval + READ_SECONDS
    consumer = session.find("consumer")
    while consumer and consumer.exit_code() is None and time.monotonic() < deadline:
        if stack_summary.collected(consumer.service.log) >= acknowledged:
            return
        time.sleep(WATCH_SECONDS)


def _report(summary: Summary, display: Display) -> int:
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for row in [*summary.figures(), ("duration", f"{summary.seconds:,.1f} s")]:
        table.add_row(*row)
    console = Console(highlight=False)
    if summary.comparison:
        console.print()
        verify_formats.show(summary.comparison, console)
    console.print()
    console.print(table)
    display.line(summary.verdict(), "bold green" if summary.whole else "bold red")
    return ExitCode.DONE if summary.whole else ExitCode.FAILED

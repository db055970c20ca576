"""Run Kafka, MongoDB, the Spark job, the page, a producer and a consumer as local processes, with one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline import options, stack_admin, stack_parts, stack_up
from pipeline.console import ExitCode, signals_interrupt, start
from pipeline.display import Display
from pipeline.settings import SettingsParser
from pipeline.stack_parts import PARTS, Plan


def build_parser() -> SettingsParser:
    """The commands of this script and their options."""
    parser = SettingsParser(
        prog="stack.py",
        description="Run Kafka, MongoDB, the Spark job, the page, a producer and a consumer as local processes.",
        examples=["python stack.py up", "python stack.py up --seconds 60", "python stack.py up --help"],
        with_commands=True,
    )
    up = parser.command(
        "up",
        help="start the services, show the consumer's tables, and stop everything on Ctrl-C",
        examples=[
            "python stack.py up",
            "python stack.py up --seconds 60 --rate 5000",
            "python stack.py up --services kafka --detach",
        ],
    )
    up.section("what", options.services(list(PARTS)), options.SECONDS, options.DETACH)
    up.section("where", options.DATA_DIR, options.KAFKA_PORT, options.MONGO_PORT, options.DASHBOARD_PORT)
    up.section("broker", options.KAFKA_JAVA_OPTIONS)
    up.section("producer", options.STACK_SENSORS, options.STACK_RATE)
    up.section("consumer", options.STACK_INTERVAL, options.STACK_MAX_ROWS)
    down = parser.command("down", help="stop what was started", examples=["python stack.py down"])
    down.section("where", options.DATA_DIR)
    status = parser.command(
        "status", help="show what runs and whether it is healthy", examples=["python stack.py status"]
    )
    status.section("where", options.DATA_DIR)
    logs = parser.command(
        "logs",
        help="print the log of a service",
        examples=["python stack.py logs kafka", "python stack.py logs producer --follow"],
    )
    logs.add_argument("name", metavar="NAME", help="the service: " + ", ".join(PARTS))
    logs.section("what", options.FOLLOW)
    logs.section("where", options.DATA_DIR)
    reset = parser.command(
        "reset", help="remove the data, after asking", examples=["python stack.py reset", "python stack.py reset --yes"]
    )
    reset.section("what", options.DATA_DIR, options.YES)
    parser.command(
        "prepare",
        help="fetch what is missing (Java, jars, mongod) and run nothing",
        examples=["python stack.py prepare"],
    )
    return parser


def run(settings: argparse.Namespace) -> int:
    """Do what the command says."""
    display = Display()
    with signals_interrupt():
        match settings.command:
            case "up":
                return stack_up.up(settings, display)
            case "down":
                return stack_admin.down(settings.data_dir, display)
            case "status":
                return stack_admin.status(settings.data_dir)
            case "logs":
                return stack_admin.logs(settings.data_dir, settings.name, settings.follow)
            case "reset":
                return stack_admin.reset(settings.data_dir, display, sure=settings.yes)
            case _:
                stack_parts.prepare(list(PARTS.values()), Plan(settings, Path()), display)
                return ExitCode.DONE


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

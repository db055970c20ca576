"""Make ready what the servers need: the topics, and in containers the passwords."""

from __future__ import annotations

import argparse
import logging
import sys

from pipeline import broker, credentials, options
from pipeline.console import ExitCode, signals_interrupt, start
from pipeline.settings import SettingsParser

log = logging.getLogger("provision")


def build_parser() -> SettingsParser:
    """The commands of this script and their options."""
    parser = SettingsParser(
        prog="provision.py",
        description="Make ready what the servers need: the topics, and in containers the passwords.",
        examples=["python provision.py topics", "docker compose run --rm connections"],
        with_commands=True,
    )
    topics = parser.command(
        "topics", help="make the topics that are missing", examples=["python provision.py topics --servers broker:9092"]
    )
    topics.section(
        "connection",
        *(options.TOPIC, options.ALERTS_TOPIC, options.DEAD_LETTER_TOPIC),
        *options.CONNECTION,
    )
    passwords = parser.command(
        "credentials",
        help="make the passwords that are missing, each into the folder of the service that reads it",
        examples=["python provision.py credentials --folder /secrets"],
    )
    passwords.section("what", options.SECRETS_FOLDER, options.MONGO_ADDRESS, options.DATABASE)
    passwords.section("passwords of your own", *options.OWN_PASSWORDS)
    lines = parser.command(
        "connections",
        help="print how to connect from this machine, passwords included",
        examples=["python provision.py connections --folder /secrets"],
    )
    lines.section("what", options.SECRETS_FOLDER, options.MONGO_ADDRESS, options.DATABASE)
    lines.section("where", options.KAFKA_ADDRESS, options.PAGE_ADDRESS)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Do what the command says."""
    match settings.command:
        case "topics":
            with signals_interrupt():
                broker.ensure_topics(broker.connection(settings), broker.topics(settings))
        case "credentials":
            given = {
                one.name.removesuffix("_password"): value
                for one in options.OWN_PASSWORDS
                if (value := getattr(settings, one.name))
            }
            made = credentials.ensure(settings.folder, given, mongo=settings.mongo_address, database=settings.database)
            log.info("made passwords: %s", ", ".join(made) if made else "none, all are there")
        case _:
            lines = credentials.connections(
                settings.folder,
                kafka=settings.kafka_address,
                mongo=settings.mongo_address,
                page=settings.page_address,
                database=settings.database,
            )
            for name, line in lines:
                print(f"{name:<18}{line}")
    return ExitCode.DONE


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

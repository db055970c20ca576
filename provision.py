"""Make ready what the servers need: topics, passwords, certificates, users, a replica set."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime

from pipeline import broker, broker_access, credentials, options, store_replicas
from pipeline.console import ExitCode, UsageError, signals_interrupt, start
from pipeline.credentials import Servers
from pipeline.settings import SettingsParser

log = logging.getLogger("provision")

TOPICS = (options.TOPIC, options.ALERTS_TOPIC, options.DEAD_LETTER_TOPIC)
MONGODB = (options.MONGO_ADDRESS, options.DATABASE)


def build_parser() -> SettingsParser:
    """The commands of this script and their options."""
    parser = SettingsParser(
        prog="provision.py",
        description="Make ready what the servers need: topics, passwords, certificates, users, a replica set.",
        examples=["python provision.py topics", "docker compose run --rm connections"],
        with_commands=True,
    )
    topics = parser.command(
        "topics", help="make the topics that are missing", examples=["python provision.py topics --servers broker:9092"]
    )
    topics.section("connection", *TOPICS, *options.CONNECTION)
    passwords = parser.command(
        "credentials",
        help="make the passwords and certificates that are missing, each in the folder of the service that reads it",
        examples=["python provision.py credentials --folder /secrets --tls --tls-names broker.example.org"],
    )
    passwords.section("what", options.SECRETS_FOLDER, *MONGODB, options.REPLICA_SET, options.TLS, options.TLS_NAMES)
    passwords.section("passwords of your own", *options.OWN_PASSWORDS)
    users = parser.command(
        "users",
        help="give Kafka's users their passwords and rights",
        examples=["python provision.py users --folder /secrets --servers broker:29093 --security-protocol SSL"],
    )
    users.section("connection of an administrator", *options.CONNECTION)
    users.section("what", options.SECRETS_FOLDER, *TOPICS)
    replicas = parser.command(
        "replica-set",
        help="make a replica set of MongoDB servers",
        examples=["python provision.py replica-set --replica-set rs0 --mongo-address mongo:27017,mongo-2:27017"],
    )
    replicas.section("what", options.SECRETS_FOLDER, options.MONGO_ADDRESS, options.REPLICA_SET)
    lines = parser.command(
        "connections",
        help="print how to connect from this machine, passwords included",
        examples=["python provision.py connections --folder /secrets"],
    )
    lines.section("what", options.SECRETS_FOLDER, *MONGODB, options.TLS)
    lines.section("where", options.KAFKA_ADDRESS, options.PAGE_ADDRESS)
    certificate = parser.command(
        "authority",
        help="print the certificate that clients of servers with TLS have to trust",
        examples=["python provision.py authority --folder /secrets > ca.pem"],
    )
    certificate.section("what", options.SECRETS_FOLDER)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Do what the command says."""
    match settings.command:
        case "topics":
            with signals_interrupt():
                broker.ensure_topics(broker.connection(settings), broker.topics(settings))
        case "users":
            _users(settings)
        case "replica-set":
            _replica_set(settings)
        case "credentials":
            _credentials(settings)
        case "connections":
            _connections(settings)
        case _:
            print(credentials.authority(settings.folder), end="")
    return ExitCode.DONE


def _credentials(settings: argparse.Namespace) -> None:
    given = {
        one.name.removesuffix("_password"): value
        for one in options.OWN_PASSWORDS
        if (value := getattr(settings, one.name))
    }
    of_kafka = sorted(credentials.KAFKA_USERS.keys() & given.keys())
    if of_kafka and not settings.tls:
        raise UsageError(f"a password for Kafka's user {of_kafka[0]} is given, but Kafka asks for none: add --tls")
    servers = Servers(settings.mongo_address, settings.database, settings.replica_set, settings.tls)
    made = credentials.ensure(settings.folder, given, servers)
    if settings.tls:
        made += credentials.ensure_tls(settings.folder, given, settings.tls_names, datetime.now(UTC))
    log.info("made passwords: %s", ", ".join(made) if made else "none, all are there")


def _users(settings: argparse.Namespace) -> None:
    link, topics = broker.connection(settings), broker.topics(settings)
    with signals_interrupt():
        broker.ensure_topics(link, topics)
        allowed = broker_access.rights(*(topic.name for topic in topics))
        broker_access.ensure(link, credentials.kafka_passwords(settings.folder), allowed)


def _replica_set(settings: argparse.Namespace) -> None:
    if not settings.replica_set:
        raise UsageError("--replica-set NAME is missing: what shall the set be called?")
    password = credentials.mongo_password(settings.folder, "root")
    with signals_interrupt():
        store_replicas.ensure(settings.replica_set, settings.mongo_address.split(","), password)


def _connections(settings: argparse.Namespace) -> None:
    servers = Servers(settings.mongo_address, settings.database, tls=settings.tls, direct=True)
    where = {"kafka": settings.kafka_address, "page": settings.page_address}
    for name, line in credentials.connections(settings.folder, servers, **where):
        print(f"{name:<18}{line}")


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

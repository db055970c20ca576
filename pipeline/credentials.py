"""Secrets for the containers: made at random at the first start, each put where the service that needs it reads it.

Each folder below the given one is a volume of one service alone:

    mongo/      root-password, pipeline-password, dashboard-password, reader-password, replica-key
    spark/      mongo-uri
    dashboard/  mongo-uri, users, session-key
    people/     page-password, mongo-uri

and where servers talk over TLS:

    authority/  authority.pem       who signs
    kafka/      server.pem
    mongo/      server.pem
    admin/      admin.pem, <user>-password of each of Kafka's users
    spark/      kafka-password
    producer/   kafka-password
    people/     <user>-password of Kafka's users who are people

with ca.pem, what is to be trusted, in each but the first.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from pipeline import certificates, checks, files, page_users
from pipeline.console import UserError

PAGE_USER = "operator"
MONGO_USERS = ("root", "pipeline", "dashboard", "reader")
# Kafka's users (broker_access.py says what each may do), and where each one's password is read.
KAFKA_USERS = {"job": "spark", "producer": "producer", "consumer": "people", "mender": "people"}
# In the containers each volume is mounted there.
MOUNTED = "/secrets"
_BYTES = 24


@dataclass(frozen=True)
class Servers:
    """How MongoDB is reached: host:port (with commas between those of a replica set), database, and how it talks.

    A `direct` client asks the named server alone, which knows the others of its set by names that the client may not.
    """

    mongo: str
    database: str
    replica_set: str | None = None
    tls: bool = False
    direct: bool = False

    def uri(self, user: str, password: str, ca: str) -> str:
        """The address for a user, who finds what is to be trusted in the file `ca`."""
        options = {
            **({"authSource": "admin"} if user == "root" else {}),
            **({"replicaSet": self.replica_set} if self.replica_set else {}),
            **({"directConnection": "true"} if self.direct else {}),
            **({"tls": "true", "tlsCAFile": ca} if self.tls else {}),
        }
        more = f"?{urlencode(options, safe='/')}" if options else ""
        return f"mongodb://{user}:{quote(password, safe='')}@{self.mongo}/{self.database}{more}"


def ensure(folder: Path, given: Mapping[str, str], servers: Servers) -> list[str]:
    """Make the passwords that are missing; `given` has those by user name ("page" for the page's) that are not random.

    Returns the names of those made or changed. Raises UserError where a file cannot be written, or where a password is
    given for a user whom MongoDB knows by another one.
    """
    made = [name for name in MONGO_USERS if _ensure_password(folder / "mongo" / f"{name}-password", given.get(name))]
    page_password, users = folder / "people" / "page-password", folder / "dashboard" / "users"
    wanted = given.get("page")
    if wanted and page_password.exists() and checks.secret_file(page_password) != wanted:
        page_password.unlink()
    if _ensure_password(page_password, wanted) or not users.exists():
        page_users.add(users, PAGE_USER, checks.secret_file(page_password))
        made.append("page")
    _ensure_password(folder / "dashboard" / "session-key", None)
    _ensure_password(folder / "mongo" / "replica-key", None)
    read_by = {
        "spark/mongo-uri": "pipeline",
        "dashboard/mongo-uri": "dashboard",
        "people/mongo-uri": "reader",
    }
    for name, user in read_by.items():
        _write(folder / name, servers.uri(user, mongo_password(folder, user), f"{MOUNTED}/ca.pem"))
    return made


def ensure_tls(folder: Path, given: Mapping[str, str], names: Sequence[str], now: datetime) -> list[str]:
    """Make the certificates of the servers and the passwords of Kafka's users that are missing.

    `names` are hosts by which the servers are reached beside their own names and localhost. Returns the names of what
    was made or changed; raises UserError where a file cannot be written.
    """
    authority = certificates.ensure_authority(folder / "authority" / "authority.pem", now)
    hosts = ("localhost", "127.0.0.1", "::1", *names)
    signed = {"kafka/server.pem": ["kafka", *hosts], "mongo/server.pem": ["mongo", *hosts], "admin/admin.pem": []}
    made = [
        f"the certificate {name}"
        for name, those in signed.items()
        if certificates.ensure_signed(authority, folder / name, _owner(name), those, now)
    ]
    for service in ("kafka", "mongo", "admin", "spark", "producer", "dashboard", "people"):
        _write(folder / service / "ca.pem", authority.pem.rstrip("\n"))
    for user, service in KAFKA_USERS.items():
        path, wanted = folder / "admin" / f"{user}-password", given.get(user)
        # Unlike MongoDB's they may change: the broker is told at each start.
        if wanted and path.exists() and checks.secret_file(path) != wanted:
            path.unlink()
        if _ensure_password(path, wanted):
            made.append(user)
        name = f"{user}-password" if service == "people" else "kafka-password"
        _write(folder / service / name, checks.secret_file(path))
    return made


def kafka_passwords(folder: Path) -> dict[str, str]:
    """The passwords of Kafka's users by their names; raises UserError where one is missing."""
    return {user: _secret(folder / "admin" / f"{user}-password") for user in KAFKA_USERS}


def connections(folder: Path, servers: Servers, *, kafka: str, page: str) -> list[tuple[str, str]]:
    """What a person needs to connect from the host: names and lines."""
    people = folder / "people"
    if servers.tls:
        users = [user for user, service in KAFKA_USERS.items() if service == "people"]
        of_kafka = [
            ("Kafka", f"{kafka} (SASL_SSL, SCRAM-SHA-512, and the authority's certificate)"),
            *[(f"  {user}", _secret(people / f"{user}-password")) for user in users],
        ]
    else:
        of_kafka = [("Kafka", f"{kafka} (no password from this machine)")]
    return [
        ("page", f"http://{page}/"),
        ("  user", PAGE_USER),
        ("  password", _secret(people / "page-password")),
        *of_kafka,
        *[
            (f"MongoDB, {what}", servers.uri(user, mongo_password(folder, user), "ca.pem"))
            for what, user in (("to read", "reader"), ("as root", "root"))
        ],
    ]


def authority(folder: Path) -> str:
    """The certificate (PEM) that clients have to trust; raises UserError where there is none."""
    path = folder / "people" / "ca.pem"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; are the servers started with TLS?") from None


def _owner(name: str) -> str:
    """In whose name a certificate is: the folder that it lies in."""
    return name.partition("/")[0]


def mongo_password(folder: Path, user: str) -> str:
    """The password of one of MongoDB's users; raises UserError where it is missing."""
    return _secret(folder / "mongo" / f"{user}-password")


def _secret(path: Path) -> str:
    try:
        return checks.secret_file(path)
    except ValueError as error:
        raise UserError(f"the password in {path}: {error}") from None


def _ensure_password(path: Path, given: str | None) -> bool:
    """Whether a password was made or taken over; raises UserError where another one is in use."""
    if path.exists():
        if given and checks.secret_file(path) != given:
            raise UserError(
                f"{path.stem}: MongoDB keeps the one of its first start; change it there as well, or begin anew with "
                "'docker compose down --volumes', which removes the data"
            )
        return False
    # Digits need no %XX in an address, and are what MongoDB takes for a replica set's key.
    _write(path, given or secrets.token_hex(_BYTES))
    return True


def _write(path: Path, text: str) -> None:
    try:
        # The volume is mounted into one service alone, whose user is another one than ours.
        files.write_whole(path, f"{text}\n", 0o444)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; make its folder writable") from None

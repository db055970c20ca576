"""Passwords for the containers: made at random at the first start, each put where the service that needs it reads it.

Each folder below the given one is a volume of one service alone:

    mongo/      root-password, pipeline-password, dashboard-password, reader-password
    spark/      mongo-uri
    dashboard/  mongo-uri, users, session-key
    people/     page-password
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pipeline import checks, files, page_users
from pipeline.console import UserError

PAGE_USER = "operator"
MONGO_USERS = ("root", "pipeline", "dashboard", "reader")
_BYTES = 24


def ensure(folder: Path, given: Mapping[str, str], *, mongo: str, database: str) -> list[str]:
    """Make what is missing; `given` has passwords by user name ("page" for the page's) that are not made at random.

    `mongo` is the server's host and port. Returns the names of those made or changed. Raises UserError where a file
    cannot be written, or where a password is given for a user whom MongoDB knows by another one.
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
    for service, user in (("spark", "pipeline"), ("dashboard", "dashboard")):
        _write(folder / service / "mongo-uri", _uri(folder, user, mongo, database))
    return made


def connections(folder: Path, *, kafka: str, mongo: str, page: str, database: str) -> list[tuple[str, str]]:
    """What a person needs to connect from the host: names and lines."""
    try:
        password = checks.secret_file(folder / "people" / "page-password")
        reader, root = (_uri(folder, user, mongo, database) for user in ("reader", "root"))
    except ValueError as error:
        raise UserError(f"the passwords in {folder} cannot be read: {error}") from None
    return [
        ("page", f"http://{page}/"),
        ("  user", PAGE_USER),
        ("  password", password),
        ("Kafka", f"{kafka} (no password from this machine)"),
        ("MongoDB, to read", reader),
        ("MongoDB, as root", root),
    ]


def _uri(folder: Path, user: str, mongo: str, database: str) -> str:
    password = quote(checks.secret_file(folder / "mongo" / f"{user}-password"), safe="")
    source = "?authSource=admin" if user == "root" else ""
    return f"mongodb://{user}:{password}@{mongo}/{database}{source}"


def _ensure_password(path: Path, given: str | None) -> bool:
    """Whether a password was made or taken over; raises UserError where another one is in use."""
    if path.exists():
        if given and checks.secret_file(path) != given:
            raise UserError(
                f"{path.stem}: MongoDB keeps the one of its first start; change it there as well, or begin anew with "
                "'docker compose down --volumes', which removes the data"
            )
        return False
    _write(path, given or secrets.token_urlsafe(_BYTES))
    return True


def _write(path: Path, text: str) -> None:
    try:
        # The volume is mounted into one service alone, whose user is another one than ours.
        files.write_whole(path, f"{text}\n", 0o444)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; make its folder writable") from None

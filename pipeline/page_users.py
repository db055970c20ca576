"""Who may log in to the page: a file with a line for each user, `name:hash`, the hash as werkzeug makes it (scrypt)."""

from __future__ import annotations

import re
from pathlib import Path

from werkzeug.security import check_password_hash, generate_password_hash

from pipeline import files
from pipeline.checks import SHORTEST_PASSWORD, USER_NAME
from pipeline.console import UsageError, UserError

_HASH = re.compile(r"scrypt:\d+:\d+:\d+\$[^$]+\$[0-9a-f]+\Z")


class Users:
    """The users of a file as they were when it was read.

    Raises UsageError for a file that cannot be read, is wrong, or has no user.
    """

    def __init__(self, path: Path) -> None:
        self._hashes = _read(path)
        if not self._hashes:
            raise UsageError(f"{path} has no user: 'python dashboard.py --users {path} --add-user NAME' adds one")
        # Checked for users that do not exist, so that the time says nothing about which do.
        self._nobody = generate_password_hash("")

    def admits(self, name: str, password: str) -> bool:
        """Whether there is a user of that name with that password."""
        return check_password_hash(self._hashes.get(name, self._nobody), password) and name in self._hashes

    def hash_of(self, name: str) -> str | None:
        """What is known of a user's password; another one has another hash."""
        return self._hashes.get(name)


def add(path: Path, name: str, password: str) -> None:
    """Give a user of the file, which is made where it is missing, a password; raises UserError when that fails."""
    if len(password) < SHORTEST_PASSWORD:
        raise UserError(f"the password is too short: give at least {SHORTEST_PASSWORD} characters")
    users = {**(_read(path) if path.exists() else {}), name: generate_password_hash(password)}
    try:
        files.write_whole(path, "".join(f"{user}:{known}\n" for user, known in users.items()), 0o600)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; make its folder writable") from None


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the users in {path} cannot be read: {reason}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, _, known = line.strip().partition(":")
        if not name or name.startswith("#"):
            continue
        if not USER_NAME.match(name) or not _HASH.match(known):
            raise UsageError(
                f"{path}, line {number} is no user: 'python dashboard.py --users {path} --add-user NAME' writes one"
            )
        found[name] = known
    return found

"""Checks of single values from outside: text in, value out, or a ValueError whose text says what would be right."""

from __future__ import annotations

import ipaddress
import math
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\Z")
SECONDS_OF_UNIT = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("", "s", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
}
SPARK_MASTER = re.compile(r"local(\[(\*|[1-9]\d*)(,\s*\d+)?\])?\Z|(spark|k8s)://\S+\Z|yarn\Z")
MEMORY = re.compile(r"[1-9]\d{0,5}[mg]\Z")

USER_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}\Z")
SHORTEST_PASSWORD = 10
TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")
RUN_NAME = re.compile(r"[0-9a-fA-F]{1,12}\Z")
# A message in three hours; slower ones are no stream.
SLOWEST_RATE = 0.0001
HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):(\d{1,5})\Z")
# RFC 1123, with the underscores that containers have in their names.
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\Z")
# RFC 3986: what else a user name or password holds is written as %XX. A socket's path is a host as well, as %2F….
MONGO_URI = re.compile(
    r"mongodb(?P<srv>\+srv)?://((?P<user>[^:/?#\[\]@]+)(:(?P<password>[^:/?#\[\]@]*))?@)?(?P<hosts>[^/?#@\s]+)"
    r"(/(?P<database>[^/?#\s]*))?(\?(?P<options>[^#\s]*))?\Z"
)
MONGO_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(?::(\d{1,5}))?\Z")
# What MongoDB takes on every platform; its own databases are not ours.
DATABASE_NAME = re.compile(r"(?!(?:admin|local|config)\Z)[^\s/\\.\"$*<>:|?\x00-\x1f]{1,63}\Z")


def number(
    *, minimum: float = -math.inf, maximum: float = math.inf, above: float = -math.inf, example: str = "1.5"
) -> Callable[[str], float]:
    """A finite number with minimum ≤ value ≤ maximum and value > above."""

    def check(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"'{text}' is not a number; give one such as {example}") from None
        if not math.isfinite(value) or not (minimum <= value <= maximum) or value <= above:
            raise ValueError(f"{text} is out of range: {_range(minimum, maximum, above)}")
        return value

    return check


def integer(*, minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """A whole number with minimum ≤ value ≤ maximum."""

    def check(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"'{text}' is not a whole number; give one such as {max(minimum, 1)}") from None
        if value < minimum or (maximum is not None and value > maximum):
            highest = math.inf if maximum is None else maximum
            raise ValueError(f"{text} is out of range: {_range(minimum, highest, -math.inf)}")
        return value

    return check


def _range(minimum: float, maximum: float, above: float) -> str:
    low = f"more than {above:g}" if above > -math.inf else f"at least {minimum:.12g}" if minimum > -math.inf else ""
    high = f"at most {maximum:.12g}" if maximum < math.inf else ""
    return " and ".join(part for part in (low, high) if part) or "it must be finite"


def duration(minimum: float, maximum: float) -> Callable[[str], float]:
    """A span of time in seconds, in whole milliseconds: 10, 10s, 500ms, "10 seconds", "2 minutes", 1h."""

    def check(text: str) -> float:
        match = DURATION.match(text.strip().lower())
        if not match or match[2] not in SECONDS_OF_UNIT:
            raise ValueError(f"'{text}' is no span of time; give one such as 10s, '10 seconds', 2m or 500ms")
        value = round(float(match[1]) * SECONDS_OF_UNIT[match[2]], 3)
        if not minimum <= value <= maximum:
            raise ValueError(f"{text} is out of range: {minimum:g} to {maximum:g} seconds")
        return value

    return check


def spark_master(text: str) -> str:
    """Where Spark runs, in the forms that Spark documents for --master."""
    if not SPARK_MASTER.match(text):
        raise ValueError(f"'{text}' is no Spark master; give one such as local[4] or spark://host:7077")
    return text


def memory(text: str) -> str:
    """An amount of memory as Java takes it: 512m, 2g."""
    if not MEMORY.match(text.strip().lower()):
        raise ValueError(f"'{text}' is no amount of memory; give one such as 512m or 2g")
    return text.strip().lower()


def rate_change(text: str) -> tuple[float, float | None]:
    """RATE or RATE@SECOND: messages a second, and from which second on (None: from the start)."""
    rate_text, at, since_text = text.partition("@")
    rate = number(minimum=0, maximum=10_000_000, example="1000")(rate_text)
    if 0 < rate < SLOWEST_RATE:
        raise ValueError(f"{rate_text} is out of range: 0 for a pause, or at least {SLOWEST_RATE:g}")
    return rate, number(above=0, maximum=1e9, example="1000@60")(since_text) if at else None


def own_address(text: str) -> str:
    """An address of this machine: an IP address or localhost."""
    if text != "localhost":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"'{text[:64]}' is no IP address; give one of this machine, or 0.0.0.0 for all") from None
    return text


def is_loopback(address: str) -> bool:
    """Whether this machine alone can be reached at an address of its own."""
    return address == "localhost" or ipaddress.ip_address(address).is_loopback


def reachable_name(address: str) -> str:
    """How an address of this machine stands in a URL; the one that stands for all of them as that of loopback."""
    if address != "localhost" and ipaddress.ip_address(address).is_unspecified:
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def user_name(text: str) -> str:
    """A name by which somebody logs in."""
    if not USER_NAME.match(text):
        raise ValueError(
            f"'{text[:64]}' is no user name; use up to 64 letters, digits, dots, dashes, @ and underscores"
        )
    return text


def password(text: str) -> str:
    """A password of printable characters; what is wrong is said without it."""
    if len(text) < SHORTEST_PASSWORD or not text.isprintable():
        raise ValueError(
            f"it is too short, or has characters that cannot be typed; give at least {SHORTEST_PASSWORD} characters"
        )
    return text


def session_key(text: str) -> str:
    """A word that cannot be guessed; what is wrong is said without it."""
    if len(text) < 32:
        raise ValueError("it is too short to be safe; give at least 32 random characters")
    return text


def one_of(*choices: str) -> Callable[[str], str]:
    """One of the given words."""

    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"'{text}' is not one of {', '.join(choices)}")
        return text

    return check


def topic_name(text: str) -> str:
    """A name that Kafka accepts for a topic."""
    if not TOPIC_NAME.match(text) or text in {".", ".."}:
        raise ValueError(f"'{text}' is no topic name; use 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return text


def name(text: str) -> str:
    """A short printable name, such as a consumer group or a sensor type."""
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise ValueError(f"'{text[:64]}' is no name; use 1 to 64 printable characters")
    return text


def run_name(text: str) -> str:
    """A producer run: up to 12 hexadecimal digits, returned as exactly 12 in lower case."""
    if not RUN_NAME.match(text):
        raise ValueError(f"'{text}' is no run; give 1 to 12 hexadecimal digits, such as 1 or 5eed00c0ffee")
    return text.lower().zfill(12)


def servers(text: str) -> str:
    """A comma-separated list of host:port."""
    return ",".join(host_port(part.strip()) for part in text.split(","))


def host_port(text: str) -> str:
    """A host, or an IP address, with a port."""
    match = HOST_PORT.match(text)
    if not match or not 1 <= int(match.group(2)) <= 65535:
        raise ValueError(f"'{text}' is not host:port; give one such as localhost:9092, several with commas")
    return text


def host(text: str) -> str:
    """The name or IP address of a machine."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not HOST_NAME.match(text):
            raise ValueError(
                f"'{text[:64]}' is no host; give a name such as broker.example.org, or an IP address"
            ) from None
    return text


def mongo_uri(text: str) -> str:
    """The address of a MongoDB server; what is wrong is said without the text, for it may hold a password."""
    match = MONGO_URI.match(text)
    hosts = [MONGO_HOST.match(host) for host in match["hosts"].split(",")] if match else []
    if not match or not all(host and (host[2] is None or 1 <= int(host[2]) <= 65535) for host in hosts):
        raise ValueError(
            "it is no MongoDB address; give one such as mongodb://localhost:27017 or "
            "mongodb://user:password@host/database (special characters of a password as %XX)"
        )
    if re.search(r"(^|[&;])w=0($|[&;])", match["options"] or ""):
        raise ValueError("w=0 would lose data without a word; leave it out")
    return text


def database_name(text: str) -> str:
    """A name that MongoDB accepts for a database of ours."""
    if not DATABASE_NAME.match(text) or len(text.encode()) > 63:
        raise ValueError(
            f"'{text[:64]}' is no database name; use up to 63 characters without spaces and none of "
            "/ \\ . \" $ * < > : | ? (admin, local and config are MongoDB's own)"
        )
    return text


def instant(text: str) -> datetime:
    """An ISO 8601 instant with a zone, returned in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no ISO 8601 instant; give one such as 2026-01-31T08:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"'{text}' has no zone; write {text}Z for UTC, or an offset such as +01:00")
    if not 2000 <= moment.year <= 9000:
        raise ValueError(f"'{text}' is out of range: the years 2000 to 9000")
    return moment.astimezone(UTC)


def existing_file(text: str) -> Path:
    """The path of a file that can be read."""
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file '{text}'; check the path")
    return path


def secret_file(path: Path) -> str:
    """What a file of one line holds, without the line's end; what is wrong is said without the text."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is no text; write the secret in one line of UTF-8") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}; check the path and who may read it") from None
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0]:
        raise ValueError("it does not hold one line; write the secret in one line")
    return lines[0]


def writable_file(text: str) -> Path:
    """The path of a file that can be made or appended to: its folder exists."""
    path = Path(text)
    if path.is_dir():
        raise ValueError(f"'{text}' is a folder; name a file")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"the folder of '{text}' does not exist; make it first")
    return path


def line(text: str) -> str:
    """One line of up to 200 printable characters."""
    if len(text) > 200 or not text.isprintable():
        raise ValueError("it is no line of up to 200 printable characters")
    return text


def existing_folder(text: str) -> Path:
    """The path of a folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"there is no folder '{text}'; make it first")
    return path


def folder(text: str) -> Path:
    """The path of a folder, which need not exist yet."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise ValueError(f"'{text}' is not a folder; name a folder")
    return path


def switch(text: str) -> bool:
    """Yes or no, as an environment variable says it."""
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError(f"'{text}' is neither yes nor no; give 1 or 0")


def text(value: str) -> str:
    """Any text that is not empty."""
    if not value:
        raise ValueError("it is empty; give a value or leave it out")
    return value


def words(value: str) -> list[str]:
    """Words as a shell splits them."""
    try:
        return shlex.split(text(value))
    except ValueError as error:
        raise ValueError(f"{value!r} cannot be split into words: {str(error).lower()}") from None

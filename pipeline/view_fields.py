"""The kinds of fields of the page's view: each reads its words of an address, and checks what the browser sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

# The most names of a kind that one may choose.
CHOICES_LIMIT = 50
# 2000-01-01 and 2100-01-01, in milliseconds since 1970.
EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000


class Kind(Protocol):
    """What a field may hold."""

    def read(self, words: Sequence[str]) -> Any:
        """The value of the words that an address gives a parameter; raises ValueError for what makes no sense."""

    def words(self, value: Any) -> list[str]:
        """The words that stand for a value."""

    def checked(self, given: Any) -> Any:
        """The value that the browser sent as JSON; raises ValueError for what our page would never send."""


def declared(default: Any, parameter: str, kind: Kind) -> Any:
    """A field of the view with its default, its name in the address, and what it may hold."""
    return field(default=default, metadata={"parameter": parameter, "kind": kind})


def kind_of(one: Field[Any]) -> Kind:
    """What a declared field may hold."""
    kind: Kind = one.metadata["kind"]
    return kind


def parameter_of(one: Field[Any]) -> str:
    """A declared field's name in the address."""
    parameter: str = one.metadata["parameter"]
    return parameter


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    known: tuple[str, ...]

    def read(self, words: Sequence[str]) -> str:
        """The last word."""
        return self.checked(words[-1])

    def words(self, value: str) -> list[str]:
        """The word itself."""
        return [value]

    def checked(self, given: Any) -> str:
        """The word; raises ValueError for another one."""
        if not isinstance(given, str) or given not in self.known:
            raise ValueError("no such choice")
        return given


@dataclass(frozen=True)
class OneNumber:
    """One of a few whole numbers."""

    known: tuple[int, ...]

    def read(self, words: Sequence[str]) -> int:
        """The last word's number."""
        return self.checked(_whole(words[-1]))

    def words(self, value: int) -> list[str]:
        """Its digits."""
        return [str(value)]

    def checked(self, given: Any) -> int:
        """The number; raises ValueError for another one."""
        # `in` alone would take True for 1.
        if type(given) is not int or given not in self.known:
            raise ValueError("no such number")
        return given


@dataclass(frozen=True)
class Count:
    """A whole number from 1 to `limit`."""

    limit: int

    def read(self, words: Sequence[str]) -> int:
        """The last word's number."""
        return self.checked(_whole(words[-1]))

    def words(self, value: int) -> list[str]:
        """Its digits."""
        return [str(value)]

    def checked(self, given: Any) -> int:
        """The number; raises ValueError for another one."""
        if type(given) is not int or not 1 <= given <= self.limit:
            raise ValueError("no such number")
        return given


@dataclass(frozen=True)
class Switch:
    """On or off."""

    def read(self, words: Sequence[str]) -> bool:
        """On for 1."""
        if words[-1] not in {"0", "1"}:
            raise ValueError("no switch")
        return words[-1] == "1"

    def words(self, value: bool) -> list[str]:
        """1 or 0."""
        return ["1" if value else "0"]

    def checked(self, given: Any) -> bool:
        """The switch; raises ValueError for anything else."""
        if type(given) is not bool:
            raise ValueError("no switch")
        return given


@dataclass(frozen=True)
class Name:
    """A name of up to `limit` characters, or None."""

    limit: int

    def read(self, words: Sequence[str]) -> str | None:
        """The last word."""
        return self.checked(words[-1])

    def words(self, value: str | None) -> list[str]:
        """The name itself."""
        return [value] if value else []

    def checked(self, given: Any) -> str | None:
        """The name, None for an empty one; raises ValueError for what is no name."""
        if given is None or given == "":
            return None
        if not is_name(given, self.limit):
            raise ValueError("no name")
        return str(given)


@dataclass(frozen=True)
class Names:
    """Up to CHOICES_LIMIT names of up to `limit` characters, sorted; with `known` only those."""

    limit: int
    known: tuple[str, ...] = ()

    def read(self, words: Sequence[str]) -> tuple[str, ...]:
        """Those words that are names; beyond the limit the last ones in the alphabet are left out."""
        return tuple(sorted({word for word in words if self._is_meant(word)})[:CHOICES_LIMIT])

    def words(self, value: Sequence[str]) -> list[str]:
        """The names themselves."""
        return list(value)

    def checked(self, given: Any) -> tuple[str, ...]:
        """The names; raises ValueError unless it is a list of them."""
        if given is None:
            return ()
        if not isinstance(given, list) or len(given) > CHOICES_LIMIT or not all(map(self._is_meant, given)):
            raise ValueError("no list of names")
        return tuple(sorted(set(given)))

    def _is_meant(self, value: Any) -> bool:
        return is_name(value, self.limit) and (not self.known or value in self.known)


@dataclass(frozen=True)
class Instant:
    """An instant in milliseconds since 1970, or None."""

    def read(self, words: Sequence[str]) -> int | None:
        """The instant that the last word says with its zone, such as 2026-03-01T12:00:00Z."""
        moment = datetime.fromisoformat(words[-1])
        if moment.utcoffset() is None:
            raise ValueError("no zone")
        return self.checked(round(1000 * moment.timestamp()))

    def words(self, value: int | None) -> list[str]:
        """The instant in UTC, with milliseconds where it has any."""
        if value is None:
            return []
        moment = datetime.fromtimestamp(value / 1000, UTC).replace(tzinfo=None)
        return [moment.isoformat(timespec="milliseconds" if value % 1000 else "seconds") + "Z"]

    def checked(self, given: Any) -> int | None:
        """The instant; raises ValueError for what is none between 2000 and 2100."""
        if given is None:
            return None
        if type(given) is not int or not EARLIEST_MS <= given <= LATEST_MS:
            raise ValueError("no instant")
        return given


def is_name(value: object, limit: int) -> bool:
    """Whether a value is a string of 1 to `limit` characters that can be shown and stored."""
    return isinstance(value, str) and 1 <= len(value) <= limit and value.isprintable()


def _whole(word: str) -> int:
    # int() would take any length, signs and blanks.
    if not word.isascii() or not word.isdigit() or len(word) > 15:
        raise ValueError("no whole number")
    return int(word)

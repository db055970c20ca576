"""What a dead letter looks like: a line of text, a JSON object or a CSV row."""

from __future__ import annotations

import json

from pipeline.cells import csv_line
from pipeline.console import safe_text
from pipeline.events import DeadLetter

# How many characters of the refused message are shown.
_SHOWN = 200
FIELDS = (
    "failed_at",
    "original_topic",
    "original_partition",
    "original_offset",
    "error",
    "retry_count",
    "size",
    "key",
    "value",
)
CSV_HEADER = csv_line(FIELDS)


def line(letter: DeadLetter) -> str:
    """When, where from, why, how often it was tried again, and the first part of the message."""
    topic, partition, offset = letter.origin
    value = _start(letter.value)
    return (
        f"{safe_text(letter.failed_at)}  {safe_text(topic)}[{partition}]@{offset}  {safe_text(letter.error)}  "
        f"(retries {letter.retry_count}, {_size(letter):,} bytes): {'null' if value is None else safe_text(value)}"
    )


def json_line(letter: DeadLetter) -> str:
    """The fields as one JSON object in a line of ASCII; `value` is the message's first 200 characters."""
    return json.dumps(_fields(letter), ensure_ascii=False)


def csv_row(letter: DeadLetter) -> str:
    """The fields in the order of CSV_HEADER."""
    return csv_line(_fields(letter).values())


def _fields(letter: DeadLetter) -> dict[str, str | int | None]:
    values = (
        letter.failed_at,
        *letter.origin,
        letter.error,
        letter.retry_count,
        _size(letter),
        _start(letter.key),
        _start(letter.value),
    )
    return dict(zip(FIELDS, values, strict=True))


def _size(letter: DeadLetter) -> int:
    return len(letter.value or b"") if letter.original_size is None else letter.original_size


def _start(content: bytes | None) -> str | None:
    """The first characters; bytes that are not UTF-8 are shown escaped."""
    # A character has four bytes at most, and what is cut in two at the end is not shown.
    return None if content is None else content[: 4 * _SHOWN + 4].decode("utf-8", "backslashreplace")[: _SHOWN + 1]

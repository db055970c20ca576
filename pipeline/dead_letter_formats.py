"""What a dead letter looks like: a line of text, a JSON object or a CSV row.

Of a message the first 200 characters are shown, or with `whole` all of it.
"""

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


def line(letter: DeadLetter, whole: bool = False) -> str:
    """When, where from, why, how often it was tried again, and the message; bytes that are no UTF-8 are escaped."""
    topic, partition, offset = letter.origin
    value = _text(letter.value, whole)
    shown = "null" if value is None else safe_text(value, len(value) if whole else _SHOWN)
    return (
        f"{safe_text(letter.failed_at)}  {safe_text(topic)}[{partition}]@{offset}  {safe_text(letter.error)}  "
        f"(retries {letter.retry_count}, {_size(letter):,} bytes): {shown}"
    )


def json_line(letter: DeadLetter, whole: bool = False) -> str:
    """The fields as one JSON object in a line."""
    return json.dumps(_fields(letter, whole), ensure_ascii=False)


def csv_row(letter: DeadLetter, whole: bool = False) -> str:
    """The fields in the order of CSV_HEADER."""
    return csv_line(_fields(letter, whole).values())


def _fields(letter: DeadLetter, whole: bool) -> dict[str, str | int | None]:
    values = (
        letter.failed_at,
        *letter.origin,
        letter.error,
        letter.retry_count,
        _size(letter),
        _text(letter.key, whole),
        _text(letter.value, whole),
    )
    return dict(zip(FIELDS, values, strict=True))


def _size(letter: DeadLetter) -> int:
    return len(letter.value or b"") if letter.original_size is None else letter.original_size


def _text(content: bytes | None, whole: bool) -> str | None:
    """The first characters, or all; bytes that are not UTF-8 are shown escaped."""
    if content is None or whole:
        return content if content is None else content.decode("utf-8", "backslashreplace")
    # A character has four bytes at most, and what is cut in two at the end is not shown.
    return content[: 4 * _SHOWN + 4].decode("utf-8", "backslashreplace")[: _SHOWN + 1]

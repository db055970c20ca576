"""Refused messages as they can be looked at: bytes from anywhere, shown as text that does nothing."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from pipeline.console import safe_text

# Of a message in a list, and the bytes in a line of the whole.
SHOWN_CHARACTERS, SHOWN_BYTES, LINE = 160, 40, 16


def text_of(content: bytes, *, is_cut: bool) -> str | None:
    """The bytes read as UTF-8; None where they are none. What is cut may end within a character."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=not is_cut)
    except UnicodeDecodeError:
        return None


def shortly(letter: Mapping[str, Any]) -> str:
    """The beginning of a dead letter's message: its text, or its bytes in hex; control characters are escaped."""
    content: bytes | None = letter.get("value")
    if content is None:
        return "(no value)"
    if not content:
        return "(empty)"
    text = text_of(content, is_cut=_is_cut(letter))
    if text is not None:
        return safe_text(text, SHOWN_CHARACTERS)
    return content[:SHOWN_BYTES].hex(" ") + (" …" if len(content) > SHOWN_BYTES else "")


def whole(letter: Mapping[str, Any]) -> dict[str, Any]:
    """All that is stored of a message: its `text` (None where it is no UTF-8), and its bytes, as `hex`.

    Line breaks and tabs stay what they are in the text, other control characters are escaped.
    """
    content = letter.get("value") or b""
    text = text_of(content, is_cut=_is_cut(letter))
    lines = None if text is None else [safe_text(line, len(line)) for line in text.replace("\t", "    ").split("\n")]
    return {"text": None if lines is None else "\n".join(lines), "hex": hex_dump(content)}


def hex_dump(content: bytes) -> str:
    """Bytes in lines of 16: where, in hex, and those that are printable ASCII, as `hexdump -C` has it."""
    lines = []
    for start in range(0, len(content), LINE):
        part = content[start : start + LINE]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):<{3 * LINE - 1}}  |{shown}|")
    return "\n".join(lines)


def _is_cut(letter: Mapping[str, Any]) -> bool:
    return bool(letter.get("size", 0) > len(letter.get("value") or b""))

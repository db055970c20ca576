"""Bytes from anywhere, shown as text that does nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import letter_text

ANYTHING = st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))


@given(ANYTHING, st.integers(0, 50))
@example(b"\xe2\x80\xae gnp.exe \x1b[2J \x00", 0)
def test_whatever_a_message_holds_only_printable_characters_are_shown(content, more):
    letter = {"value": content, "size": len(content) + more}

    found = letter_text.whole(letter)

    assert letter_text.shortly(letter).isprintable()
    assert all(line.isprintable() for line in (found["text"] or "").split("\n"))
    assert all(line.isprintable() for line in found["hex"].split("\n"))


@given(st.binary(max_size=100))
def test_the_bytes_can_be_read_back_from_the_hex(content):
    lines = letter_text.hex_dump(content).split("\n") if content else []

    assert b"".join(bytes.fromhex(line[10:57]) for line in lines) == content
    assert [int(line[:8], 16) for line in lines] == list(range(0, len(content), 16))


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60), st.data())
def test_a_text_that_was_cut_within_a_character_is_still_a_text(text, data):
    content = text.encode()
    kept = content[: data.draw(st.integers(1, len(content)))]

    found = letter_text.whole({"value": kept, "size": len(content)})

    assert found["text"] is not None
    assert text.startswith(found["text"])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "(no value)"),
        (b"", "(empty)"),
        (b'{"value": 1,\n', '{"value": 1,\\n'),
        (b"\xff\xfe\x00", "ff fe 00"),
        (b"\xff" * 41, "ff " * 40 + "…"),
        (b"<script>" * 30, "<script>" * 20 + "…"),
        ("°C".encode(), "°C"),
    ],
)
def test_a_message_is_shown_shortly(value, shown):
    assert letter_text.shortly({} if value is None else {"value": value, "size": len(value)}) == shown


def test_bytes_that_are_no_text_are_shown_in_hex_alone():
    assert letter_text.whole({"value": b"ab\xff", "size": 3}) == {
        "text": None,
        "hex": "00000000  61 62 ff                                         |ab.|",
    }

"""Cells of CSV output."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from pipeline.console import safe_text

# A spreadsheet runs a text cell that begins like this; a quote before it makes it a text again.
_FORMULA_STARTS = ("=", "+", "-", "@")


def csv_line(cells: Iterable[str | float | None]) -> str:
    """One line of CSV (RFC 4180) without its newline; None is an empty cell.

    Numbers stand as they are. Texts lose their control characters, and those that a spreadsheet would run as a
    formula get a quote in front.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(_text_cell(cell) if isinstance(cell, str) else cell for cell in cells)
    return line.getvalue()


def _text_cell(text: str) -> str:
    shown = safe_text(text, limit=len(text))
    return "'" + shown if shown.lstrip().startswith(_FORMULA_STARTS) else shown

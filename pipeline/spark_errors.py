"""What Spark's errors come to, for people."""

from __future__ import annotations

import re

_CAUSE = re.compile(r"Caused by: (.+)")
_FRAMES = re.compile(r"^\s*(at |\.\.\. \d+ more|Traceback |File \"|An error occurred while calling )")
_LIMIT = 300


def innermost_cause(text: str) -> str:
    """The line of an error's text that says most: the innermost cause, else the first line that is no stack frame."""
    causes = _CAUSE.findall(text)
    lines = [line for line in text.splitlines() if line.strip() and not _FRAMES.match(line)]
    # Py4J begins the line of the error itself with a colon.
    return (causes[-1] if causes else lines[0] if lines else "no reason given").strip().removeprefix(": ")[:_LIMIT]

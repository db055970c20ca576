"""What Spark's errors come to, for people, and what its tasks raise for the driver to read out of them."""

from __future__ import annotations

import re

_CAUSE = re.compile(r"Caused by: (.+)")
_FRAMES = re.compile(r"^\s*(at |\.\.\. \d+ more|Traceback |File \"|An error occurred while calling )")
_LIMIT = 300


class TaskOutage(Exception):
    """A server that a task needs is away: the task may be done again when it is back."""


class TaskError(Exception):
    """What a task does is refused, and only a person can mend it."""


# The last line of a traceback, which is all that comes from a task to the driver.
_RAISED = re.compile(rf"^{re.escape(__name__)}\.({TaskOutage.__name__}|{TaskError.__name__}): (.+)$", re.MULTILINE)


def raised_by_task(text: str) -> TaskOutage | TaskError | None:
    """What a task of ours raised, out of the text of Spark's error; None where it is another error."""
    found = _RAISED.search(text)
    if not found:
        return None
    kind, sentence = found.groups()
    return (TaskOutage if kind == TaskOutage.__name__ else TaskError)(sentence)


def innermost_cause(text: str) -> str:
    """The line of an error's text that says most: the innermost cause, else the first line that is no stack frame."""
    causes = _CAUSE.findall(text)
    lines = [line for line in text.splitlines() if line.strip() and not _FRAMES.match(line)]
    # Py4J begins the line of the error itself with a colon.
    return (causes[-1] if causes else lines[0] if lines else "no reason given").strip().removeprefix(": ")[:_LIMIT]

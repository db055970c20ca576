"""Dead letters mended by a person: with a command of theirs, or in a file that they have edited."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.console import UsageError
from pipeline.events import DeadLetter

# A letter's message as it shall be sent; raises NotMendedError for one that shall not.
Mend = Callable[[DeadLetter], bytes]
COMMAND_SECONDS = 30.0


class NotMendedError(Exception):
    """A letter that is not sent back; the reason is a short code."""


def by_command(words: Sequence[str]) -> Mend:
    """A command gets each message on stdin and prints what is to be sent; one that it fails for, stays."""

    def mend(letter: DeadLetter) -> bytes:
        try:
            done = subprocess.run(
                words, input=letter.value or b"", capture_output=True, timeout=COMMAND_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotMendedError("command_took_too_long") from None
        except OSError as error:
            raise UsageError(f"--repair-command: {words[0]} cannot be run: {error.strerror}; check its path") from None
        if done.returncode:
            raise NotMendedError("command_failed")
        return done.stdout

    return mend


def from_file(path: Path) -> Mend:
    """The messages of a file that lists letters whole, as JSON lines; a letter that is not in it stays.

    Raises UsageError, with the line, for a file that is no such list.
    """
    edited: dict[tuple[str, int, int], bytes] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--edited: {path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            origin = (fields["original_topic"], fields["original_partition"], fields["original_offset"])
            edited[origin] = fields["value"].encode()
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UsageError(
                f"--edited: {path}, line {number} is no letter; "
                "'consumer.py --dead-letters --whole --format json' writes such lines"
            ) from None

    def mend(letter: DeadLetter) -> bytes:
        try:
            return edited[letter.origin]
        except KeyError:
            raise NotMendedError("not_in_the_file") from None

    return mend

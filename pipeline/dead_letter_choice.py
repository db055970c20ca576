"""Which dead letters are meant: by the reason of their refusal, and by what the message holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.events import DeadLetter


@dataclass(frozen=True)
class Choice:
    """No reasons stand for all of them, and so does no text."""

    reasons: Sequence[str] = ()
    text: str = ""

    def holds(self, letter: DeadLetter) -> bool:
        """Whether a letter is among those that are meant."""
        code = letter.error.partition(":")[0]
        return (not self.reasons or code in self.reasons) and self.text.encode() in (letter.value or b"")

"""What can be done about refused messages, by the reason: a sentence, and commands to copy."""

from __future__ import annotations

from typing import Any

from pipeline.refusals import Refusal

_ADVICE = {
    Refusal.NULL_MESSAGE: "The record has no value, so there is nothing to mend: see who writes to the topic.",
    Refusal.NOT_UTF8: "The sender writes in another encoding: mend it there; a command can turn what is refused.",
    Refusal.NOT_JSON: "Mend the sender. A replay takes off white space and NULs around the JSON, no more.",
    Refusal.UNKNOWN_SCHEMA_VERSION: "The sender speaks another version of the contract. A replay mends a 1 in quotes.",
    Refusal.MISSING_FIELD: "Only who knows the sender can say what is missing; null counts as missing.",
    Refusal.BAD_FIELD: "A replay mends other spellings: numbers in quotes, ids in upper case, timestamps with a space.",
    Refusal.VALUE_NOT_FINITE: "The value is beyond any number that can be stored: see the sensor.",
    Refusal.TIMESTAMP_TOO_OLD: "The sensor's clock was never set, so nobody knows when it measured: see the sensor.",
    Refusal.TIMESTAMP_AHEAD: "The sensor's clock is ahead: set it. A replay takes those whose time has come meanwhile.",
    Refusal.NOT_STORABLE: "It keeps the contract, but MongoDB does not take it. It is kept here, not on the topic.",
}
_LETTERS = "python consumer.py --dead-letters"


def remedy(code: str | None) -> dict[str, Any]:
    """`advice` for a code ("" for all of them), and `commands`: what each does, and its words.

    A code that is not ours, whatever stands in it, is treated as all of them.
    """
    refusal = next((one for one in Refusal if one == code), None)
    advice = _ADVICE[refusal] if refusal else ""
    if refusal == Refusal.NOT_STORABLE:
        return {"advice": advice, "commands": []}
    chosen = f"{_LETTERS} --reason {refusal}" if refusal else _LETTERS
    commands = [
        ("See them whole, for 5 seconds", f"{chosen} --whole --duration 5"),
        ("Send back what can be mended safely", f"{chosen} --replay"),
    ]
    if refusal == Refusal.NOT_UTF8:
        commands.append(("Take them for Latin-1", f"{chosen} --replay --repair-command 'iconv -f latin1 -t utf-8'"))
    if refusal != Refusal.NULL_MESSAGE:
        commands += [
            ("Mend by hand: write them to a file …", f"{chosen} --whole --format json --duration 5 > letters.jsonl"),
            ("… edit each value there, and send them", f"{_LETTERS} --replay --edited letters.jsonl"),
        ]
    return {"advice": advice, "commands": [{"does": does, "words": words} for does, words in commands]}

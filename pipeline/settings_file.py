"""Settings from a file, for what a person does not want to type each time: TOML, a line `name = value` for each."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

Words = str | list[str]


def read(path: Path, known: Collection[str]) -> dict[str, Words]:
    """What a file says, as words of a command line, by the settings' names (`sasl_username` or `sasl-username`).

    `known` are the names of all settings of all scripts: one file serves them all. Raises ValueError with a sentence,
    in which no value of the file stands.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is no text; write it in UTF-8") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}; check the path and who may read it") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f'it is no TOML: {error}; a line is name = "value"') from None
    found: dict[str, Words] = {}
    for given, value in content.items():
        name = given.replace("-", "_")
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ValueError(f"there is no setting '{given}'" + (f"; is {near[0]} meant?" if near else ""))
        if name in found:
            raise ValueError(f"{name} is set twice")
        found[name] = _words(name, value)
    return found


def _words(name: str, value: Any) -> Words:
    if isinstance(value, list):
        return [_word(name, one) for one in value]
    return _word(name, value)


def _word(name: str, value: Any) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case str() | int() | float():
            return str(value)
        case _:
            raise ValueError(f'{name} is neither text nor a number nor yes or no; write text in quotes: {name} = "…"')

"""The machinery of settings: each is declared once (in options.py) with flag, environment variable, default and check.

A flag beats the environment, the environment beats a file of settings, and that beats the default. A secret may stand
in a file of its own that the environment names. Only this module reads the environment.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from pipeline import checks, settings_file
from pipeline.console import ExitCode

PREFIX = "PIPELINE_"
# The names of all settings that are declared.
_names: set[str] = set()


@dataclass(frozen=True)
class Setting:
    """One setting of a script.

    `parse` takes one word and raises ValueError with a sentence that says what would be right.
    `count` is "one", "many" (one or more words, separated by spaces in the environment) or "switch" (yes or no).
    A `secret` can be given in a file as well; its `parse` says what is wrong without the text.
    """

    name: str
    help: str
    parse: Callable[[str], Any] = checks.text
    default: Any = None
    metavar: str | None = None
    aliases: tuple[str, ...] = ()
    count: Literal["one", "many", "switch"] = "one"
    shown_default: str | None = None
    example: str | None = None
    secret: bool = False

    def __post_init__(self) -> None:
        _names.add(self.name)

    @property
    def flag(self) -> str:
        """The option's spelling on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable that stands for the option."""
        return PREFIX + self.name.upper()

    @property
    def file_variable(self) -> str | None:
        """The environment variable that names a file with the value, for a secret."""
        return f"{self.variable}_FILE" if self.secret else None

    @property
    def variables(self) -> str:
        """Its environment variables as help and documents show them."""
        return f"{self.variable}, {self.file_variable}" if self.file_variable else self.variable

    @property
    def default_text(self) -> str:
        """The default as help and documents show it."""
        if self.shown_default is not None:
            return self.shown_default
        if self.count == "switch":
            return "yes" if self.default else "no"
        if self.default is None:
            return "none"
        if self.count == "many":
            return " ".join(str(value) for value in self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def read(self, words: Sequence[str]) -> Any:
        """The setting's value from words; raises ValueError."""
        if self.count == "many":
            if not words:
                raise ValueError("it has no value; give at least one")
            return [self.parse(word) for word in words]
        if len(words) != 1:
            raise ValueError("it is a list; give one value")
        return self.parse(words[0])


class SettingsParser(argparse.ArgumentParser):
    """An ArgumentParser made of `Setting`s, whose errors are one line and whose gaps environment and file fill.

    After parsing, the namespace has one more attribute, `given`: the names of the settings that the command line or
    the environment set. A parser made with `with_commands` has commands instead of settings: parsers of
    their own.
    """

    def __init__(
        self,
        *,
        description: str,
        examples: Sequence[str],
        environment: Mapping[str, str] | None = None,
        with_commands: bool = False,
        **more: Any,
    ):
        super().__init__(
            description=description,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **more,
        )
        self.environment = os.environ if environment is None else environment
        self.settings: list[tuple[str, Setting]] = []
        self.commands: dict[str, SettingsParser] = {}
        if with_commands:
            self._adder = self.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
        else:
            self.section("general", SETTINGS, DEBUG)

    def command(self, name: str, *, help: str, examples: Sequence[str]) -> SettingsParser:
        """The parser of a new command; the namespace's `command` names the one that was given."""
        added: SettingsParser = self._adder.add_parser(
            name, help=help, description=help, examples=examples, environment=self.environment
        )
        self.commands[name] = added
        return added

    def section(self, title: str, *settings: Setting) -> None:
        """Add settings under a heading of the help."""
        group = self.add_argument_group(title)
        for setting in settings:
            self.settings.append((title, setting))
            note = f"{setting.help} (default: {setting.default_text}; {setting.variables})"
            options: dict[str, Any] = {
                "dest": setting.name,
                "default": argparse.SUPPRESS,
                "help": note.replace("%", "%%"),
            }
            if setting.count == "switch":
                options |= {"action": "store_const", "const": "yes"}
            else:
                options |= {
                    "metavar": setting.metavar or setting.name.upper(),
                    "nargs": "+" if setting.count == "many" else None,
                }
            group.add_argument(setting.flag, *setting.aliases, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, then fill what is missing from environment, file and defaults, and check every value."""
        parsed, rest = super().parse_known_args(args, namespace)
        given: dict[str, str] = getattr(parsed, "given", {})
        path, in_file = self._file(getattr(parsed, SETTINGS.name, None)) if self.settings else ("", {})
        for _, setting in self.settings:
            words: Any = getattr(parsed, setting.name, None)
            where, words = (setting.flag, words) if words is not None else self._from_environment(setting)
            if words is None and setting.name in in_file:
                where, words = f"{setting.name} in {path}", in_file[setting.name]
            if words is None:
                setattr(parsed, setting.name, setting.default)
                continue
            given[setting.name] = where
            try:
                value = setting.read(words if isinstance(words, list) else [words])
            except ValueError as error:
                self.error(f"{where}: {error}")
            setattr(parsed, setting.name, value)
        parsed.given = given
        return parsed, rest

    def _file(self, flag: str | None) -> tuple[str, Mapping[str, Any]]:
        """The file of settings and what it says; nothing where none is named."""
        where, path = (SETTINGS.flag, flag) if flag is not None else self._from_environment(SETTINGS)
        if path is None:
            return "", {}
        try:
            return path, settings_file.read(Path(path), _names - {SETTINGS.name})
        except ValueError as error:
            self.error(f"{where} {path}: {error}")

    def _from_environment(self, setting: Setting) -> tuple[str, Any]:
        """Where a setting's words stand in the environment, and the words, None where there are none."""
        where, text = f"environment variable {setting.variable}", self.environment.get(setting.variable, "")
        path = self.environment.get(setting.file_variable or "", "")
        if path and text:
            self.error(f"{setting.variable} and {setting.file_variable} are both set: unset one of them")
        if path:
            where = f"the file of {setting.file_variable}, {path}"
            try:
                text = checks.secret_file(Path(path))
            except ValueError as error:
                self.error(f"{where}: {error}")
        if text == "":
            return where, None
        return where, text.split() if setting.count == "many" else text

    def error(self, message: str) -> NoReturn:
        """Leave with one line on stderr and exit code 2."""
        text = message.removeprefix("argument ")
        option, separator, problem = text.partition(": expected ")
        if separator and problem.endswith("one argument"):
            flag = option.split("/")[0]
            text = f"{option}: its value is missing; one that begins with a dash is given as {flag}=-…"
        print(f"{self.prog}: {text} (all options: {self.prog} --help)", file=sys.stderr)
        raise SystemExit(int(ExitCode.USAGE))


def switch(name: str, help: str) -> Setting:
    """A setting that is off unless given."""
    return Setting(name=name, help=help, parse=checks.switch, default=False, count="switch")


SETTINGS = Setting(
    "settings",
    'a TOML file of settings, such as sasl_username = "me"; flags and the environment beat it',
    checks.existing_file,
    metavar="FILE",
)
DEBUG = switch("debug", "log more, and show the traceback of an error")


def inherited_environment(**changes: str | None) -> dict[str, str]:
    """A copy of this process's environment for a child; a value of None takes the variable out."""
    environment = dict(os.environ)
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def variable(name: str) -> str | None:
    """One variable of the environment that belongs to others (PATH, JAVA_HOME)."""
    return os.environ.get(name)


def set_variable(name: str, value: str) -> None:
    """Set a variable that another program, started by us, looks for."""
    os.environ[name] = value

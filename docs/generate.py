"""Write the parts of README.md that come from the code: each script's options. `make docs` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import consumer
import dashboard
import producer
import provision
import spark_job
import stack
import verify
from pipeline.settings import Setting, SettingsParser

README = Path(__file__).parents[1] / "README.md"
SCRIPTS = (producer, consumer, spark_job, dashboard, verify, stack, provision)
PARSERS = {f"{script.__name__}.py": script.build_parser for script in SCRIPTS}


def option_tables(parser: SettingsParser) -> str:
    """A parser's options as Markdown: a table for each of its sections; its commands one after the other."""
    parts = [f"#### `{command.prog}`\n\n{option_tables(command)}" for command in parser.commands.values()]
    sections: dict[str, list[Setting]] = {}
    for title, setting in parser.settings:
        if title != "general":
            sections.setdefault(title, []).append(setting)
    for title, settings in sections.items():
        rows = [f"| {title} | default | environment | |", "|---|---|---|---|"]
        rows += [_row(setting) for setting in settings]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) or "No options of its own."


def _row(setting: Setting) -> str:
    words = "" if setting.count == "switch" else f" {setting.metavar or setting.name.upper()}"
    words += " …" if setting.count == "many" else ""
    names = ", ".join(f"`{flag}{words}`" for flag in (setting.flag, *setting.aliases))
    variables = ", ".join(f"`{name}`" for name in setting.variables.split(", "))
    cells = (names, setting.default_text, variables, setting.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def with_option_tables(text: str) -> str:
    """A document with the tables between its markers made anew; raises ValueError when a marker is missing."""
    for name, build_parser in PARSERS.items():
        begin, end = f"<!-- options of {name} -->", f"<!-- end of the options of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the document needs one place for the options of {name}: {begin} … {end}")
        before, after = text[: text.index(begin)], text[text.index(end) :]
        text = f"{before}{begin}\n\n{option_tables(build_parser())}\n\n{after}"
    return text


def main() -> int:
    """Write README.md anew."""
    README.write_text(with_option_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

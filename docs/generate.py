"""Write the parts of the documents that come from the code: options and metrics. `make docs` runs it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import consumer
import dashboard
import producer
import provision
import spark_job
import stack
import verify
from pipeline import metrics_consumer, metrics_page, metrics_producer, metrics_spark
from pipeline.metrics import Metric
from pipeline.settings import Setting, SettingsParser

METRICS_PAGE = Path(__file__).parent / "metrics.md"
METRICS = {
    "producer.py": metrics_producer.METRICS,
    "consumer.py": metrics_consumer.METRICS,
    "spark_job.py": metrics_spark.METRICS,
    "dashboard.py": metrics_page.METRICS,
}
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


def metrics_table(metrics: Sequence[Metric]) -> str:
    """A script's metrics as a Markdown table."""
    rows = ["| metric | type | unit | labels | |", "|---|---|---|---|---|"]
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.kind} | {one.unit} | {labels} | {one.about} |")
    return "\n".join(rows)


def with_option_tables(text: str) -> str:
    """README.md with the tables of options made anew; raises ValueError when a marker is missing."""
    return filled(text, "options", {name: option_tables(make()) for name, make in PARSERS.items()})


def with_metrics_tables(text: str) -> str:
    """docs/metrics.md with the tables of metrics made anew; raises ValueError when a marker is missing."""
    return filled(text, "metrics", {name: metrics_table(metrics) for name, metrics in METRICS.items()})


def filled(text: str, what: str, tables: Mapping[str, str]) -> str:
    """A document with the parts between its markers replaced, by name; raises ValueError when a marker is missing."""
    for name, table in tables.items():
        begin, end = f"<!-- {what} of {name} -->", f"<!-- end of the {what} of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the document needs one place for the {what} of {name}: {begin} … {end}")
        before, after = text[: text.index(begin)], text[text.index(end) :]
        text = f"{before}{begin}\n\n{table}\n\n{after}"
    return text


def main() -> int:
    """Write the documents anew."""
    for path, fill in ((README, with_option_tables), (METRICS_PAGE, with_metrics_tables)):
        path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

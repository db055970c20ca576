"""What an alert looks like: a line coloured by its priority, a JSON object or a CSV row."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.text import Text

from pipeline.cells import csv_line
from pipeline.console import safe_text
from pipeline.events import Alert

_STYLES = {"low": "dim", "normal": "cyan", "high": "yellow", "critical": "bold red"}
FIELDS = Alert.__struct_fields__
CSV_HEADER = csv_line(FIELDS)


def line(console: Console) -> Callable[[Alert], str]:
    """A line of text, coloured where the console is a terminal that shows colours."""

    def render(alert: Alert) -> str:
        text = _sentence(alert)
        if not console.is_terminal:
            return text
        with console.capture() as captured:
            console.print(Text(text, style=_STYLES[alert.priority]), soft_wrap=True, end="")
        return captured.get()

    return render


def _sentence(alert: Alert) -> str:
    unit = f" {safe_text(alert.unit)}" if alert.unit else ""
    place = f" at {safe_text(alert.location)}" if alert.location else ""
    return (
        f"{alert.timestamp}  {alert.priority:<8}  {safe_text(alert.alert_type)}: {safe_text(alert.sensor_id)}{place}, "
        f"{safe_text(alert.sensor_type)} {alert.value:.6g}{unit} (threshold {alert.threshold:.6g}{unit}): "
        f"{safe_text(alert.message)}"
    )


def json_line(alert: Alert) -> str:
    """The alert's fields as one JSON object in a line of ASCII."""
    return json.dumps(msgspec.to_builtins(alert), ensure_ascii=False)


def csv_row(alert: Alert) -> str:
    """The alert's fields in the order of CSV_HEADER."""
    return csv_line(getattr(alert, name) for name in FIELDS)

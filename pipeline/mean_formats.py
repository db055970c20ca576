"""What the means look like: the table of two pandas frames, a JSON object or CSV rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd

from pipeline.cells import csv_line
from pipeline.console import safe_text
from pipeline.means import Mean, Means
from pipeline.refusals import NAME_LIMIT

_LONG_LINE, _SHORT_LINE = "-" * 70, "-" * 50

# The means at a moment (local time with a zone) as text, without a newline at the end; "" where there is nothing.
MeanFormat = Callable[[Means, datetime], str]


def table(max_rows: int | None = None) -> MeanFormat:
    """Two pandas frames; `max_rows` is how many rows of each are shown (0: all; None: as pandas decides)."""

    def render(means: Means, moment: datetime) -> str:
        return "\n".join(
            (
                _LONG_LINE,
                f"Time: {moment:%Y-%m-%d %H:%M:%S.%f}, collected {means.records} sensor records",
                "Statistics by Sensor Type:",
                _frame(means.by_type(), "type", max_rows),
                _SHORT_LINE,
                "Statistics by Sensor Name:",
                _frame(means.by_sensor(), "name", max_rows),
                _LONG_LINE,
            )
        )

    return render


def _frame(means: Mapping[str, Mean], index_name: str, max_rows: int | None) -> str:
    index = pd.Index([safe_text(name, NAME_LIMIT) for name in means], name=index_name)
    frame = pd.DataFrame({"value": [one.mean for one in means.values()]}, index=index)
    # On a narrow terminal pandas would leave out the only column.
    options: list[Any] = ["display.max_columns", None]
    if max_rows is not None:
        rows = max_rows or None
        options += ["display.max_rows", rows, "display.min_rows", rows]
    with pd.option_context(*options):
        return str(frame)


def json_line(means: Means, moment: datetime) -> str:
    """One JSON object in a line of ASCII: time, records, by_type and by_sensor with mean and count."""
    return json.dumps(
        {
            "time": moment.isoformat(timespec="microseconds"),
            "records": means.records,
            "by_type": {name: asdict(one) for name, one in means.by_type().items()},
            "by_sensor": {name: asdict(one) for name, one in means.by_sensor().items()},
        }
    )


CSV_HEADER = csv_line(("time", "kind", "name", "mean", "count"))


def csv_rows(means: Means, moment: datetime) -> str:
    """A row for each type and each sensor; to be preceded by CSV_HEADER once."""
    time = moment.isoformat(timespec="microseconds")
    rows = [("type", *row) for row in means.by_type().items()] + [("sensor", *row) for row in means.by_sensor().items()]
    return "\n".join(csv_line((time, kind, name, one.mean, one.count)) for kind, name, one in rows)

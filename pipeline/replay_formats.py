"""What the outcome of a replay looks like: a few lines of text, a JSON object or CSV rows."""

from __future__ import annotations

import json

from pipeline.cells import csv_line
from pipeline.replay import Outcome


def table(outcome: Outcome) -> str:
    """A sentence, and a line for each kind of repair and each reason to stay."""
    lines = [
        f"{outcome.letters:,} dead letters: {outcome.sent:,} sent back "
        f"({outcome.unchanged:,} as they were, {outcome.repaired:,} repaired), "
        f"{outcome.stayed.total():,} stayed, {outcome.repeats:,} repeats"
    ]
    if outcome.stayed:
        lines.append("  what stayed is not looked at again by this group; --group NAME starts another one")
    for title, counts in (("repaired", outcome.repairs), ("stayed", outcome.stayed)):
        lines += [f"  {title}: {name} {count:,}" for name, count in sorted(counts.items())]
    return "\n".join(lines)


def json_line(outcome: Outcome) -> str:
    """One JSON object in a line."""
    return json.dumps(
        {
            "letters": outcome.letters,
            "sent": outcome.sent,
            "unchanged": outcome.unchanged,
            "repaired": outcome.repaired,
            "repairs": dict(sorted(outcome.repairs.items())),
            "stayed": dict(sorted(outcome.stayed.items())),
            "repeats": outcome.repeats,
        }
    )


def csv_rows(outcome: Outcome) -> str:
    """Rows of kind, name and count, with their header."""
    rows: list[tuple[str, str, str | int]] = [
        ("kind", "name", "count"),
        ("letters", "", outcome.letters),
        ("sent", "unchanged", outcome.unchanged),
        ("sent", "repaired", outcome.repaired),
        *(("repair", name, count) for name, count in sorted(outcome.repairs.items())),
        *(("stayed", reason, count) for reason, count in sorted(outcome.stayed.items())),
        ("repeat", "", outcome.repeats),
    ]
    return "\n".join(map(csv_line, rows))

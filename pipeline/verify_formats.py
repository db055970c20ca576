"""What a comparison looks like: tables and sentences, or a JSON object."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.console import counted, safe_text
from pipeline.ledger import SequenceRange
from pipeline.oracle import SENSORS_SHOWN, RunResult, Verdict
from pipeline.oracle_alerts import AlertsResult
from pipeline.oracle_windows import Kind, WindowsResult
from pipeline.store_ids import instant_text

RANGES_SHOWN = 5
WINDOWS_SHOWN = 10
ALERTS_SHOWN = 3


def render(verdict: Verdict) -> RenderableType:
    """The comparison for people."""
    parts: list[RenderableType] = [_runs(verdict.runs), Text()]
    for run in verdict.runs:
        if run.differing:
            parts += [_sensors(run), Text()]
        parts += [Text(f"  {note}") for note in _notes(run)]
    parts += [Text(f"  {line}") for line in (*_windows(verdict), *_alerts(verdict.alerts))]
    if verdict.windows.examples:
        parts += [Text(), _examples(verdict.windows), Text()]
    style = "bold green" if verdict.agrees else "bold red"
    return Group(*parts, Text(sentence(verdict), style=style))


def show(verdict: Verdict, console: Console) -> None:
    """Print the comparison; where no terminal sets a width, no cell is cut off."""
    if not console.is_terminal:
        console.width = 200
    console.print(render(verdict))


def sentence(verdict: Verdict) -> str:
    """What the comparison comes to."""
    if verdict.agrees:
        if not any(run.readings or run.letters.expected for run in verdict.runs):
            return "Nothing was acknowledged: there is nothing to compare"
        return "Everything that was acknowledged is stored, nothing counts twice, and windows and alerts agree"
    faults = []
    missing = sum(run.missing for run in verdict.runs)
    letters = sum(run.letters.missing for run in verdict.runs)
    if missing:
        faults.append(f"{counted(missing, 'reading')} missing")
    if letters:
        faults.append(f"{counted(letters, 'dead letter')} missing")
    if verdict.windows.problem:
        faults.append("the windows cannot be compared")
    elif verdict.windows.different:
        faults.append(f"{counted(verdict.windows.different, 'window')} not as the readings say")
    if verdict.alerts.missing:
        faults.append(f"{counted(verdict.alerts.missing, 'alert')} missing")
    told = ", ".join(faults)
    if all(run.record.ended for run in verdict.runs):
        return f"Not all is well: {told}"
    return (
        f"Not in agreement so far: {told}; by the ledger a producer has not ended: while it sends, "
        "compare again later or with --wait 60"
    )


def _table(*titles: str, left: int = 1) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for position, title in enumerate(titles):
        table.add_column(title, justify="left" if position < left else "right", no_wrap=True)
    return table


def _runs(runs: list[RunResult]) -> Table:
    table = _table(
        *("run", "began", "sent", "acknowledged", "readings", "stored", "missing", "extra", "late", "dead letters"),
        left=2,
    )
    for run in runs:
        record = run.record
        table.add_row(
            record.about.run,
            safe_text(record.about.start, 19),
            *(f"{count:,}" for count in (record.sent, record.acknowledged, run.readings, run.stored)),
            _red(run.missing),
            *(f"{count:,}" for count in (run.extra, len(record.late))),
            Text(f"{run.letters.found:,} of {run.letters.expected:,}", style="bold red" if run.letters.missing else ""),
        )
    return table


def _red(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "")


def _sensors(run: RunResult) -> Table:
    table = _table("run", "sensor no.", "missing", "extra", "missing sequences")
    table.columns[-1].justify = "left"
    for sensor in run.sensors:
        ranges = _ranges(sensor.missing_ranges)
        table.add_row(run.record.about.run, f"{sensor.sensor}", _red(sensor.missing), f"{sensor.extra:,}", ranges)
    if run.differing > len(run.sensors):
        table.add_row(f"and {run.differing - len(run.sensors):,} more")
    return table


def _ranges(ranges: list[SequenceRange]) -> str:
    words = [str(first) if first == last else f"{first}–{last}" for first, last in ranges[:RANGES_SHOWN]]
    return ", ".join(words) + (", …" if len(ranges) > RANGES_SHOWN else "")


def _notes(run: RunResult) -> list[str]:
    """What is to be known of a run and is no fault."""
    record, notes = run.record, []
    whose = f"run {record.about.run}: "
    if not record.ended:
        notes.append(
            "it has no end in the ledger: its producer still runs, or was killed; what the ledger says by now is "
            "compared, and what came after that is extra"
        )
    if not run.stored and run.readings:
        notes.append(
            "none of its readings is stored here: does the Spark job read its topic and write to this database?"
        )
    if record.failed:
        notes.append(f"{record.failed:,} were refused by the broker for good, and are not expected")
    unknown = record.sent - record.acknowledged - record.failed
    if unknown > 0:
        notes.append(f"of {unknown:,} nobody knows whether the broker has them; those that are stored are extra")
    if run.repaired:
        notes.append(f"{run.repaired:,} of the extra ones were sent malformed and came again, repaired")
    if run.letters.unplaced:
        notes.append(f"of {counted(run.letters.unplaced, 'malformed message')} the broker did not tell the place")
    return [whose + note for note in notes]


def _windows(verdict: Verdict) -> list[str]:
    windows = verdict.windows
    if windows.problem:
        return [f"windows: {windows.problem}"]
    kinds = [f"{count:,} {kind}" for kind, count in windows.kinds.items() if count and kind != Kind.EQUAL]
    lines = [f"windows: {windows.compared:,} compared, {', '.join([f'{windows.kinds[Kind.EQUAL]:,} equal', *kinds])}"]
    if windows.lacking:
        lines.append(
            f"they lack {counted(windows.lacking, 'reading')}; the watermark has dropped {verdict.dropped:,} so far, "
            f"and {verdict.late:,} of this ledger were late on purpose"
        )
    return lines


def _alerts(alerts: AlertsResult) -> list[str]:
    found = alerts.expected - alerts.missing
    lines = [f"alerts: {alerts.expected:,} by the rules, {found:,} stored"]
    if alerts.examples:
        lines.append(f"the first that are missing: {', '.join(alerts.examples[:ALERTS_SHOWN])}")
    if alerts.extra:
        lines.append(
            f"{alerts.extra:,} more are stored than the readings raise: was the job given these rules (--rules)?"
        )
    return lines


def _examples(windows: WindowsResult) -> Table:
    table = _table("window", "type", "location", "", "readings", "counted", left=4)
    for one in windows.examples[:WINDOWS_SHOWN]:
        table.add_row(
            instant_text(one.start),
            safe_text(one.sensor_type, 64),
            safe_text(one.location, 64),
            one.kind,
            f"{one.expected:,}",
            f"{one.stored:,}",
        )
    if windows.different > WINDOWS_SHOWN:
        table.add_row(f"and {windows.different - WINDOWS_SHOWN:,} more")
    return table


def json_line(verdict: Verdict) -> str:
    """One JSON object in a line."""
    return json.dumps(
        {
            "agrees": verdict.agrees,
            "runs": [_run_object(run) for run in verdict.runs],
            "windows": _windows_object(verdict.windows),
            "alerts": {
                "expected": verdict.alerts.expected,
                "missing": verdict.alerts.missing,
                "extra": verdict.alerts.extra,
                "examples": verdict.alerts.examples,
            },
            "dropped_by_watermark": verdict.dropped,
            "late_on_purpose": verdict.late,
        }
    )


def _run_object(run: RunResult) -> dict[str, Any]:
    record = run.record
    return {
        "run": record.about.run,
        "began": record.about.start,
        "ended": record.ended,
        "sent": record.sent,
        "acknowledged": record.acknowledged,
        "failed": record.failed,
        "readings": run.readings,
        "stored": run.stored,
        "missing": run.missing,
        "extra": run.extra,
        "repaired": run.repaired,
        "late": len(record.late),
        "duplicate": len(record.duplicate),
        "dead_letters": {
            "expected": run.letters.expected,
            "found": run.letters.found,
            "missing": run.letters.missing,
            "place_unknown": run.letters.unplaced,
        },
        "differing_sensors": run.differing,
        "sensors": [
            {
                "sensor": one.sensor,
                "missing": one.missing,
                "missing_sequences": one.missing_ranges[:SENSORS_SHOWN],
                "extra": one.extra,
            }
            for one in run.sensors
        ],
    }


def _windows_object(windows: WindowsResult) -> dict[str, Any]:
    return {
        "problem": windows.problem,
        "compared": windows.compared,
        "different": windows.different,
        **{kind.name.lower(): count for kind, count in windows.kinds.items()},
        "lacking_readings": windows.lacking,
        "examples": [
            {
                "window_start": instant_text(one.start),
                "sensor_type": one.sensor_type,
                "location": one.location,
                "kind": one.kind.name.lower(),
                "readings": one.expected,
                "counted": one.stored,
            }
            for one in windows.examples
        ],
    }

"""Write the tables and the chart of docs/performance.md out of what the benchmarks kept. `make bench-page` runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import million
from chart import svg
from generate import filled
from measuring import RESULTS

from pipeline.runtime import ROOT

PAGE = ROOT / "docs" / "performance.md"
CHART = PAGE.with_name("growth.svg")


def origin(kept: Mapping[str, Any]) -> str:
    """Where, when and of which commit a table was measured, as far as that was kept."""
    machine = kept["machine"]
    model = f" ({machine['model']})" if "model" in machine else ""
    speed = f" at {machine['pace']:g} million additions a second in Python" if "pace" in machine else ""
    place = f"{machine['processors']} processors{model}{speed}, {machine['system']}, Python {machine['python']}"
    # A day says enough, and files that differ from the commit have a + behind it.
    date = f", measured on {kept['date'][:10]}" if "date" in kept else ""
    commit = f", commit {kept['commit']}" if "commit" in kept else ""
    return f"{place}{date}{commit}"


def main() -> int:
    """Fill in the figures of every benchmark that was run here."""
    tables = {}
    for file in sorted(RESULTS.glob("*.json")):
        kept = json.loads(file.read_text(encoding="utf-8"))
        tables[file.stem] = f"{kept['about']} {origin(kept)}.\n\n{kept['table']}"
        if panels := kept.get("panels"):
            CHART.write_text(svg(panels), encoding="utf-8")
    if calculated := million.table(RESULTS):
        tables["million"] = calculated
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), "figures", tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

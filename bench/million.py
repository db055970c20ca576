"""What a million readings a second would take: a calculation from what the benchmarks measured here.

A microsecond of processor a reading is a core at a million readings a second, as long as parts scale out: partitions
for brokers, producers, consumers and Spark, shards for MongoDB. That they do is what scale_out.py shows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The parts of pipeline_latency.py whose work grows with the readings: the page's does not.
LIVE = {"producer": "producer.py", "broker": "Kafka", "job": "spark_job.py, everything on", "mongod": "MongoDB"}
NEEDED = ("producer", "consumer", "pipeline", "latency")


def table(results: Path) -> str | None:
    """The calculation as a Markdown table; None where one of the benchmarks that it needs was not run."""
    files = [results / f"{name}.json" for name in NEEDED]
    if not all(file.exists() for file in files):
        return None
    kept: dict[str, Any] = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    live = max(kept["latency"]["measured"], key=lambda one: one["rate"])
    costs = {what: 1e6 * live["cores"][part] / live["rate"] for part, what in LIVE.items()}
    backlog = {
        "producer.py": _cost(kept["producer"], "producer.py"),
        "spark_job.py, everything on": _cost(kept["pipeline"], "spark_job.py, everything on"),
        "consumer.py": _cost(kept["consumer"], "consumer.py"),
    }
    lines = [
        f"| part | cores, by its cost at {live['rate']:,.0f} a second | cores, by its cost at full speed |",
        "|---|---:|---:|",
    ]
    for part in [*LIVE.values(), "consumer.py"]:
        known = (costs.get(part), backlog.get(part))
        note = " and MongoDB" if part.startswith("spark_job.py") else ""
        shown = [f"{known[0]:.0f}" if known[0] else "", f"{known[1]:.0f}{note}" if known[1] else ""]
        lines.append(f"| {part} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _cost(kept: dict[str, Any], name: str) -> float:
    """Microseconds of processor a reading."""
    return next(float(one["cpu_microseconds"]) for one in kept["results"] if one["name"] == name)

"""What a million readings a second would take: a calculation from what the benchmarks measured here.

A microsecond of processor a reading is a core at a million readings a second, as long as parts scale out: partitions
for brokers, producers, consumers and Spark, shards for MongoDB. That they do is what scale_out.py shows.

Of the live run without a browser, what the producer cost is by the readings that it really sent, what the others cost
by those that were stored meanwhile: where the job falls behind, these are fewer than were asked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The parts of pipeline_latency.py whose work grows with the readings (the page's does not), each with the readings that
# it has worked on: for Kafka, where some went in that have not come out yet, the smaller number.
LIVE = {
    "producer": ("producer.py", "sent"),
    "broker": ("Kafka", "stored"),
    "job": ("spark_job.py, everything on", "stored"),
    "mongod": ("MongoDB", "stored"),
}
NEEDED = ("producer", "consumer", "pipeline", "latency")


def table(results: Path) -> str | None:
    """The calculation as a Markdown table; None where a figure that it needs was not measured."""
    files = [results / f"{name}.json" for name in NEEDED]
    if not all(file.exists() for file in files):
        return None
    kept: dict[str, Any] = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    alone = [one for one in kept["latency"]["measured"] if one.get("browser") is False]
    if not alone:
        return None
    live = max(alone, key=lambda one: one["rate"])
    costs = {what: 1e6 * live["cores"][part] / live[readings] for part, (what, readings) in LIVE.items()}
    backlog = {
        "producer.py": _cost(kept["producer"], "producer.py"),
        "spark_job.py, everything on": _cost(kept["pipeline"], "spark_job.py, everything on"),
        "consumer.py": _cost(kept["consumer"], "consumer.py"),
    }
    lines = [
        f"| part | cores, by its cost at {live['stored']:,.0f} stored of {live['sent']:,.0f} sent a second "
        "| cores, by its cost at full speed |",
        "|---|---:|---:|",
    ]
    for part in [*costs, "consumer.py"]:
        known = (costs.get(part), backlog.get(part))
        note = " and MongoDB" if part.startswith("spark_job.py") else ""
        shown = [f"{known[0]:.0f}" if known[0] else "", f"{known[1]:.0f}{note}" if known[1] else ""]
        lines.append(f"| {part} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _cost(kept: dict[str, Any], name: str) -> float:
    """Microseconds of processor a reading."""
    return next(float(one["cpu_microseconds"]) for one in kept["results"] if one["name"] == name)

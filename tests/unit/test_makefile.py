"""What the Makefile would run."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(f"bench/{path.name}" for path in (ROOT / "bench").glob("*_*.py"))


def chosen(*words: str) -> list[str]:
    """The benchmarks that `make bench` would run with these words."""
    done = subprocess.run(["make", "-n", "bench", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    (loop,) = re.findall("for script in (.*?);", done.stdout)
    return loop.split()


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("producer", ["bench/producer_peers.py", "bench/producer_rates.py"]),
        ("pipeline_latency", ["bench/pipeline_latency.py"]),
        ("peers", []),
    ],
)
def test_a_benchmark_runs_when_its_name_begins_as_only_says(only, expected):
    assert chosen(f"ONLY={only}") == expected


def test_all_benchmarks_run_in_one_go():
    assert chosen() == BENCHMARKS

"""What the Makefile would run."""

import re
import subprocess
from pathlib import Path

import pytest

from pipeline.settings import inherited_environment

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(["bench/capacity.py", *(f"bench/{path.name}" for path in (ROOT / "bench").glob("*_*.py"))])
# `make test ARGS=…` hands its own words on to every make that runs below it.
ENVIRONMENT = inherited_environment(MAKEFLAGS=None, MAKEOVERRIDES=None, ARGS=None)
# Instead of Python: notes how it was called, and fails for one benchmark.
PRETENDED = """echo "$@" >>{noted}
case "$1" in bench/producer_peers.py) exit 3;; esac
"""


def chosen(*words: str) -> list[str]:
    """The benchmarks that `make bench` would run with these words."""
    command = ["make", "-n", "bench", *words]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    (loop,) = re.findall("for script in (.*?);", done.stdout)
    return loop.split()


@pytest.fixture
def bench(tmp_path):
    """Runs `make bench` with words, its benchmarks pretended: what make did, and how each benchmark was called."""
    noted, program = tmp_path / "noted", tmp_path / "pretended.sh"
    program.write_text(PRETENDED.format(noted=noted))

    def run(*words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        # What the environment needs is there: the tests run in it.
        command = ["make", "--old-file=setup-dev", "bench", f"SCRIPT=sh {program}", *words]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        return done, noted.read_text().splitlines() if noted.exists() else []

    return run


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("producer", ["bench/producer_peers.py", "bench/producer_rates.py"]),
        ("pipeline_latency", ["bench/pipeline_latency.py"]),
        ("capacity", ["bench/capacity.py"]),
        ("peers", []),
    ],
)
def test_a_benchmark_runs_when_its_name_begins_as_only_says(only, expected):
    assert chosen(f"ONLY={only}") == expected


def test_all_benchmarks_run_in_one_go():
    assert chosen() == BENCHMARKS


def test_args_for_all_benchmarks_are_refused_since_their_options_differ(bench):
    done, called = bench("ARGS=--rounds 1")

    assert done.returncode == 2
    assert "ONLY=" in done.stderr
    assert called == []


def test_args_reach_the_benchmarks_that_are_chosen(bench):
    done, called = bench("ONLY=pipeline_peers", "ARGS=--rounds 1")

    assert done.returncode == 0
    assert called == ["bench/pipeline_peers.py --rounds 1"]


def test_a_benchmark_that_fails_is_named_at_the_end_and_the_others_run(bench):
    done, called = bench()

    assert called == BENCHMARKS
    assert done.returncode != 0
    assert "failed: bench/producer_peers.py\n" in done.stderr


def test_it_says_how_long_each_benchmark_took_and_all_of_them(bench):
    done, _ = bench("ONLY=producer")

    assert re.findall(r"^== (.*) took \d+ s$", done.stdout, re.MULTILINE) == [
        "bench/producer_peers.py",
        "bench/producer_rates.py",
        "all of it",
    ]

"""A random schedule of faults, one or two parts at a time, repeatable by its seed."""

from __future__ import annotations

import random
import time

import pytest
from jobs import START_SECONDS
from pipelines import PARTS, Pipeline

LONGEST_OUTAGE = 5.0
# Servers come back before those that need them.
assert PARTS == ("kafka", "mongo", "producer", "driver")


def test_a_random_schedule_of_faults_loses_nothing(
    pipeline: Pipeline, chaos_seconds: float, chaos_seed: int, capsys: pytest.CaptureFixture[str]
):
    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="", flush=True)

    rng = random.Random(chaos_seed)
    tell(f"faults for {chaos_seconds:g} s by the schedule of SEED={chaos_seed}")
    pipeline.start_driver()
    pipeline.start_producer(
        *("--duplicate-rate", 0.05, "--malformed-rate", 0.01, "--late-rate", 0.02, "--late-by", 5, "--seed", chaos_seed)
    )
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < chaos_seconds:
        pipeline.await_more(rng.uniform(1, 5))
        broken = {part: rng.choice(("kill", "freeze")) for part in rng.sample(PARTS, rng.choice((1, 1, 2)))}
        outage = rng.uniform(0, LONGEST_OUTAGE)
        tell(f"{now:6.1f} s: {', '.join(f'{how} {part}' for part, how in broken.items())} for {outage:.1f} s")
        for part, how in broken.items():
            getattr(pipeline, how)(part)
        # The outage itself.
        time.sleep(outage)
        for part in PARTS:
            if part in broken:
                pipeline.mend(part, broken[part])

    pipeline.await_more(3)
    pipeline.end_producer()
    judged = pipeline.assert_all_is_well()
    tell(f"{len(judged.distinct):,} readings and {len(judged.refused):,} dead letters, none missing and none twice\n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seconds = metafunc.config.getoption("chaos_seconds")
    metafunc.definition.add_marker(pytest.mark.timeout(seconds + 6 * START_SECONDS))

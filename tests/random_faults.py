"""A random schedule of faults, one or two parts at a time, repeatable by its seed."""

from __future__ import annotations

import random
import time

from pipelines import PARTS, Pipeline

LONGEST_OUTAGE = 5.0


def break_at_random(pipeline: Pipeline, *, seconds: float, seed: int) -> None:
    """Break and mend parts for so many seconds, and print what is done."""
    rng = random.Random(seed)
    print(f"\n  faults for {seconds:g} s by the schedule of SEED={seed}", flush=True)
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < seconds:
        pipeline.await_more(rng.uniform(1, 5))
        broken = {part: rng.choice(("kill", "freeze")) for part in rng.sample(PARTS, rng.choice((1, 1, 2)))}
        outage = rng.uniform(0, LONGEST_OUTAGE)
        done = ", ".join(f"{how} {part}" for part, how in broken.items())
        print(f"  {now:6.1f} s: {done} for {outage:.1f} s", flush=True)
        for part, how in broken.items():
            getattr(pipeline, how)(part)
        pipeline.hold(outage)
        pipeline.mend(*broken)

"""A benchmark that is asked to stop ends what it started."""

from __future__ import annotations

import secrets
import signal

import pytest
from harness import await_condition, processes_with, scripts

from pipeline import runtime

SIGN = "PIPELINE_TEST_SIGN"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_nothing_is_left_of_a_benchmark_that_is_asked_to_stop(tmp_path, number):
    sign = secrets.token_hex(8)
    paths = f"{runtime.ROOT}:{runtime.ROOT / 'tests'}"
    with scripts(tmp_path) as start:
        benchmark = start("bench/store_rate.py", env={SIGN: sign, "PYTHONPATH": paths, "TMPDIR": str(tmp_path)})

        def serves() -> bool:
            return any(one.name() == "mongod" for one in processes_with(SIGN, sign))

        await_condition(lambda: serves() or benchmark.process.poll() is not None, "its mongod runs")

        benchmark.signal(number)
        done = benchmark.wait()

    assert done.code == 130
    assert done.stderr.splitlines()[-1] == "interrupted: what was started is ended, nothing was kept"
    assert processes_with(SIGN, sign) == []
    assert not list(tmp_path.glob("tmp*"))

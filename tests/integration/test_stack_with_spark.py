"""The whole stack, Spark among it."""

from __future__ import annotations

import re
import signal

from jobs import START_SECONDS
from stacks import SERVICES, STOPPED


def test_the_whole_stack_runs_until_ctrl_c_and_leaves_nothing_behind(stack):
    # when
    script = stack.up("--sensors", 5, "--rate", 100, "--services", *SERVICES)
    script.await_output("verything runs, after", seconds=START_SECONDS)
    script.await_output("sensor records", times=2)
    script.signal(signal.SIGINT)
    done = script.wait()

    # then: the steps in order on stderr, the consumer's tables and the last sentence on stdout
    assert done.code == 0, done.stderr
    steps = re.findall(r"^  ✓ (\w+)", done.stderr, re.MULTILINE)
    assert steps == ["java", "jars", "jars", "classes", "mongod", *SERVICES, *STOPPED]
    # The first line of success is the page's address.
    first = next(line for line in done.stderr.splitlines() if line and not line.startswith(("Starting", "  ")))
    assert re.fullmatch(rf"Open http://127\.0\.0\.1:{stack.page_port}/ \(everything runs, after [\d.]+ s\)", first)
    assert f"broker  127.0.0.1:{stack.port}" in done.stderr
    assert f"mongodb mongodb://127.0.0.1:{stack.mongo_port} (for MongoDB Compass or mongosh)" in done.stderr
    assert done.stdout.startswith("-" * 70 + "\nTime: ")
    assert "Statistics by Sensor Name:" in done.stdout
    sentence = done.stdout.splitlines()[-1]
    counts = re.match(r"Ran for \d+ s, ([\d,]+) sent, ([\d,]+) acknowledged, 0 failed, ([\d,]+) read; ", sentence)
    assert counts, sentence
    assert counts.group(1) == counts.group(2) != "0"
    assert "\x1b" not in done.stdout + done.stderr
    assert stack.left() == []
    # The tables are in the consumer's log as well.
    assert "Statistics by Sensor Name:" in stack.run("logs", "consumer").stdout

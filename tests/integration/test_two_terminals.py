"""The two classic command lines against each other, over a real broker."""

import json
import re
import signal

import pandas as pd
import pytest

CLASSIC = ["--num-sensors", "2", "--sensors-values-mean", "2", "10", "--sensors-values-std", "2", "3"]
SEEDED = ("--seed", 11, "--run", "2a", "--start", "2026-03-01T12:00:00Z")
TIME = r"Time: \d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{6}, collected (\d+) sensor records"


def expected_table(readings: pd.DataFrame) -> str:
    """What the sample's shape says, computed and printed by pandas alone."""
    by_type = readings.groupby("type")[["value"]].mean()
    by_name = readings.groupby("name")[["value"]].mean()
    return (
        f"{'-' * 70}\nTime: NOW, collected {len(readings)} sensor records\n"
        f"Statistics by Sensor Type:\n{by_type}\n{'-' * 50}\n"
        f"Statistics by Sensor Name:\n{by_name}\n{'-' * 70}\n"
    )


def test_the_consumer_prints_the_means_of_just_what_the_producer_sent(broker, topic, run_script, start_script):
    # given what the seed makes, computed without broker and consumer
    words = (*CLASSIC, "--delays", 0.001, 0.001, *SEEDED, "--count", 6000)
    dry = run_script("producer.py", *words, "--dry-run", "--unpaced")
    documents = [json.loads(line) for line in dry.stdout.splitlines()]
    readings = pd.DataFrame(
        [(one["sensor_type"], one["sensor_id"], one["value"]) for one in documents], columns=["type", "name", "value"]
    )

    # when the two run side by side
    where = ("--servers", broker.servers, "--topic", topic)
    consumer = start_script("consumer.py", *where, "--interval", 1)
    consumer.await_output("reading ")
    producer = run_script("producer.py", *where, *words)
    assert producer.code == 0, producer.stderr
    consumer.await_output("collected 6000 sensor records")
    consumer.signal(signal.SIGINT)
    done = consumer.wait()
    assert done.code == 0, done.stderr

    # then the last table is the expected one, to the character, and its means are those that were asked for
    last = done.stdout[done.stdout.rindex("-" * 70 + "\nTime: ") :]
    assert re.sub(r"Time: .*?,", "Time: NOW,", last) == expected_table(readings)
    means = readings.groupby("name")["value"].mean()
    assert means["sensor_0"] == pytest.approx(2, abs=7 * 2 / 3000**0.5)
    assert means["sensor_1"] == pytest.approx(10, abs=7 * 3 / 3000**0.5)
    # and the tables before it accumulate
    counts = [int(count) for count in re.findall(TIME, done.stdout)]
    assert counts == sorted(counts)
    assert len(counts) >= 3

"""consumer.py against a real broker: means of the readings, what is refused, and when it ends."""

import io
import json
import re
import signal
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from harness import HANG_SECONDS, await_condition, free_port
from messages import CASES
from readings import expected_means, send, some_readings
from topics import write_all

import consumer
from pipeline import runtime

REFUSED_IN_ALL = re.compile(r"refused in all: (\d[\d,]*): (.*)")


@pytest.fixture
def consume(broker, topic, start_script):
    """Starts consumer.py on the test's topic and waits until it reads."""

    def start(*words, servers=broker.servers, interval=0.4):
        script = start_script("consumer.py", "--servers", servers, "--topic", topic, "--interval", interval, *words)
        script.await_output("reading ")
        return script

    return start


def last_json(text: str) -> dict:
    return json.loads(text.splitlines()[-1])


def read_json(script, count: int) -> dict:
    """Wait until a JSON consumer has counted so many readings, and end it; its last line."""
    script.await_output(f'"records": {count},')
    script.signal(signal.SIGINT)
    done = script.wait()
    assert done.code == 0, done.stderr
    return last_json(done.stdout)


def assert_means(found: dict, readings) -> None:
    assert found["records"] == len(readings)
    for kind, by in (("by_type", "sensor_type"), ("by_sensor", "sensor_id")):
        expected = expected_means(readings, by)
        counts = Counter(getattr(one, by) for one in readings)
        assert {name: one["count"] for name, one in found[kind].items()} == counts
        for name, one in found[kind].items():
            assert one["mean"] == pytest.approx(expected[name], rel=1e-12)


def test_the_figures_are_those_that_pandas_computes(broker, topic, consume):
    readings = some_readings(5000)
    send(broker.servers, topic, readings)

    found = read_json(consume("--from-beginning", "--format", "json"), len(readings))

    assert_means(found, readings)


def test_the_table_is_what_pandas_prints(broker, topic, consume):
    readings = some_readings(300)
    send(broker.servers, topic, readings)
    script = consume("--from-beginning")
    script.await_output("collected 300 sensor records")
    script.signal(signal.SIGTERM)
    done = script.wait()

    def frame(by: str, name: str) -> str:
        return str(pd.DataFrame({"value": expected_means(readings, by)}).rename_axis(name))

    *_, last = re.split(r"^-{70}\n(?=Time: )", done.stdout, flags=re.MULTILINE)
    first_line, rest = last.split("\n", 1)
    assert re.fullmatch(r"Time: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}, collected 300 sensor records", first_line)
    assert rest == "\n".join(
        [
            "Statistics by Sensor Type:",
            frame("sensor_type", "type"),
            "-" * 50,
            "Statistics by Sensor Name:",
            frame("sensor_id", "name"),
            "-" * 70,
            "",
        ]
    )


def test_reading_begins_at_the_end_of_every_partition_and_loses_nothing_sent_after_that(broker, topic, consume):
    send(broker.servers, topic, some_readings(100, seed=1))

    script = consume("--format", "json")
    later = some_readings(200, seed=2)
    send(broker.servers, topic, later)

    assert_means(read_json(script, 200), later)
    assert f"reading {topic} (3 partitions) at {broker.servers} from its end" in script.stderr
    assert "0 records behind over 3 partitions" in script.stderr


def test_an_empty_interval_prints_and_its_instants_keep_to_the_schedule(run_script, broker, topic):
    done = run_script(
        *("consumer.py", "--servers", broker.servers, "--topic", topic),
        *("--interval", 0.5, "--duration", 2.2, "--format", "json"),
    )

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == 0
    assert [line["records"] for line in lines] == [0] * len(lines)
    assert 1 <= len(lines) <= 4
    instants = [pd.Timestamp(line["time"]).timestamp() for line in lines]
    for number, instant in enumerate(instants):
        # On the schedule, or late on it; never early, and no instant is made up for.
        assert instant - instants[0] > 0.5 * number - 0.45


def test_figures_start_afresh_in_every_interval_when_asked_to(broker, topic, consume):
    script = consume("--per-interval", "--format", "json")
    first, second = some_readings(50, seed=1), some_readings(70, seed=2)
    for readings in (first, second):
        send(broker.servers, topic, readings)
        counted = sum(len(one) for one in (first, second)[: 1 + (readings is second)])
        await_condition(lambda total=counted: total_records(script.stdout) == total, f"{counted} readings")
    script.signal(signal.SIGINT)
    done = script.wait()

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    total = Counter()
    for line in lines:
        assert sum(one["count"] for one in line["by_type"].values()) == line["records"]
        total.update({name: one["mean"] * one["count"] for name, one in line["by_type"].items()})
    expected = expected_means(first + second, "sensor_type")
    for name, one in total.items():
        count = sum(reading.sensor_type == name for reading in first + second)
        assert one / count == pytest.approx(expected[name])


def total_records(stdout: str) -> int:
    return sum(json.loads(line)["records"] for line in stdout.splitlines() if line.endswith("}"))


def test_csv_has_one_header_and_rows_that_pandas_reads(broker, topic, consume):
    readings = some_readings(60)
    send(broker.servers, topic, readings)
    script = consume("--from-beginning", "--format", "csv")
    script.await_output("sensor,sensor_29,", times=2)
    script.signal(signal.SIGINT)
    done = script.wait()

    assert done.stdout.count("time,kind,name,mean,count") == 1
    frame = pd.read_csv(io.StringIO(done.stdout))
    last = frame[frame["time"] == frame["time"].iloc[-1]]
    found = last[last["kind"] == "type"].set_index("name")["mean"]
    assert found.to_dict() == pytest.approx(expected_means(readings, "sensor_type").to_dict())
    assert done.stdout.startswith("time,kind,name,mean,count\n")


def test_what_breaks_the_contract_is_counted_and_named_while_the_figures_stay_right(broker, topic, consume):
    # Which timestamps lie ahead depends on the day of the test.
    bad = [case for case in CASES if case.refusal and case.refusal != "timestamp_ahead"]
    expected = Counter(case.refusal for case in bad)
    readings = some_readings(400)
    send(broker.servers, topic, readings[:200])
    write_all(broker.servers, topic, [case.payload for case in bad])
    send(broker.servers, topic, readings[200:])

    script = consume("--from-beginning", "--format", "json")
    await_condition(lambda: script.stderr.count("value_not_finite") > 1, "all refusals in the log")
    found = read_json(script, 400)

    done = script.wait()
    assert_means(found, readings)
    total, counts = REFUSED_IN_ALL.search(done.stderr).groups()
    assert int(total.replace(",", "")) == len(bad)
    assert {name: int(count) for name, count in (part.split() for part in counts.split(", "))} == expected
    for code in expected:
        (first,) = [line for line in done.stderr.splitlines() if f": {code}: " in line]
        assert re.search(rf"refused {topic}\[[012]\]@\d+: {code}: .+ \(the first of its kind", first)
    assert sum("refused" in line for line in done.stderr.splitlines()) < 2 * len(expected) + 20
    assert "\x1b" not in done.stderr


def test_a_reading_ahead_of_the_brokers_clock_is_refused_by_the_limit_given(broker, topic, consume):
    ahead = some_readings(3)
    for reading in ahead:
        reading.timestamp = (pd.Timestamp(reading.timestamp) + pd.Timedelta(hours=1)).isoformat()
    send(broker.servers, topic, ahead)

    strict = consume("--from-beginning")
    strict.await_output("timestamp_ahead 3")
    assert read_json(consume("--from-beginning", "--max-ahead", 7200, "--format", "json"), 3)["records"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_last_table_of_what_came_since_the_last_one(broker, topic, consume, number):
    script = consume(interval=3600)
    send(broker.servers, topic, some_readings(10, sensors=1))
    # In the same partition: when it is named, the readings before it are counted.
    write_all(broker.servers, topic, [b"marker"], key=b"sensor_00")
    script.await_output("not_json")

    script.signal(number)

    done = script.wait()
    assert done.code == 0
    assert done.stdout.count("Time: ") == done.stdout.count("collected 10 sensor records") == 1


def test_a_signal_after_a_table_that_told_everything_prints_no_other(broker, topic, consume):
    script = consume(interval=1)
    send(broker.servers, topic, some_readings(10))
    script.await_output("collected 10 sensor records")
    tables = script.stdout.count("Time: ")

    script.signal(signal.SIGINT)

    done = script.wait()
    assert done.code == 0
    # The schedule itself may have printed one more before the signal came.
    assert done.stdout.count("Time: ") - tables <= 1
    assert done.stderr.count("records behind") == done.stdout.count("Time: ")


def test_a_signal_before_anything_came_prints_nothing(consume):
    script = consume(interval=3600)
    script.signal(signal.SIGINT)

    done = script.wait()

    assert (done.code, done.stdout) == (0, "")


def test_it_ends_after_its_duration_with_a_last_table(broker, topic, run_script):
    send(broker.servers, topic, some_readings(10))

    done = run_script(
        *("consumer.py", "--servers", broker.servers, "--topic", topic, "--from-beginning"),
        *("--interval", 3600, "--duration", 3),
    )

    assert done.code == 0
    assert done.stdout.count("collected 10 sensor records") == 1


def test_a_reader_of_its_output_that_leaves_ends_it_without_an_error(broker, topic):
    words = ["--servers", broker.servers, "--topic", topic, "--interval", "0.2"]
    script = subprocess.Popen(
        [sys.executable, runtime.ROOT / "consumer.py", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert script.stdout.readline() == "-" * 70 + "\n"
        script.stdout.close()

        assert script.wait(HANG_SECONDS) == 0
        errors = script.stderr.read()
        assert "Error" not in errors
        assert "Traceback" not in errors
    finally:
        script.kill()
        script.stderr.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--interval", "0"], "--interval: 0 is out of range: at least 0.1"),
        (["--interval", "soon"], "--interval: 'soon' is not a number"),
        (["--interval", "nan"], "--interval"),
        (["--duration", "0"], "--duration"),
        (["--topic", "a b"], "--topic: 'a b' is no topic name"),
        (["--servers", "nowhere"], "--servers: 'nowhere' is not host:port"),
        (["--format", "xml"], "--format: 'xml' is not one of table, json, csv"),
        (["--max-rows", "-1"], "--max-rows"),
        (["--max-ahead", "-1"], "--max-ahead"),
        (["--group", ""], "--group"),
        (["--max-retries", "0"], "--max-retries"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["--replay"], "--replay works on dead letters: give --dead-letters as well"),
        (["--alerts", "--dead-letters"], "--alerts and --dead-letters are two lists: give one of them"),
        (["--alerts", "--replay"], "--replay works on dead letters"),
        (["--alerts", "--per-interval"], "--per-interval belongs to the means"),
        (["--dead-letters", "--per-interval"], "--per-interval belongs to the means"),
        (["--sasl-username", "me"], "--sasl-username and --sasl-password need --security-protocol"),
    ],
)
def test_wrong_options_are_told_in_one_line_and_exit_with_2(capsys, words, says):
    code = consumer.main(words)

    told = capsys.readouterr()
    assert code == 2
    assert told.out == ""
    assert says in told.err
    assert len(told.err.splitlines()) == 1


def test_an_option_may_come_from_the_environment(run_script):
    done = run_script("consumer.py", env={"PIPELINE_INTERVAL": "never"})

    assert done.code == 2
    assert "environment variable PIPELINE_INTERVAL: 'never' is not a number" in done.stderr


def test_without_a_broker_it_says_so_in_one_line_and_exits_with_1(run_script):
    servers = f"127.0.0.1:{free_port()}"

    done = run_script("consumer.py", "--servers", servers, seconds=60)

    assert done.code == 1
    assert done.stdout == ""
    assert f"no Kafka broker answers at {servers}" in done.stderr
    assert len(done.stderr.splitlines()) == 1

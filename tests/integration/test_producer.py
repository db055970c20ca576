"""producer.py against a real broker."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter

import psutil
import pytest
from harness import await_condition, local_broker
from topics import read_all

import producer
from pipeline import event_ids, ledger
from pipeline.events import RefusedMessage, decode_reading
from pipeline.runtime import ROOT


def kill(broker):
    psutil.Process(broker.running.identity.pid).kill()


def ids(records):
    return Counter(json.loads(record.value())["event_id"] for record in records)


def test_a_fleet_arrives_whole_in_order_and_by_the_contract(broker, topic, run_script, tmp_path):
    path = tmp_path / "run.jsonl"
    done = run_script(
        *("producer.py", "--servers", broker.servers, "--topic", topic, "--ledger", path),
        *("--sensors", 50, "--rate", 2000, "--count", 3000, "--run", "2a"),
    )
    assert done.code == 0, done.stderr
    assert done.stdout == ""
    assert "3,000 sent" in done.stderr
    assert "3,000 acknowledged, 0 failed" in done.stderr

    records = read_all(broker.servers, topic)
    assert len(records) == len(ids(records)) == 3000
    partition_of, last = {}, {}
    for record in records:
        reading = decode_reading(record.value(), kafka_timestamp_ms=record.timestamp()[1])
        assert record.key().decode() == reading.sensor_id
        # All readings of a sensor lie in one partition, in order.
        assert partition_of.setdefault(reading.sensor_id, record.partition()) == record.partition()
        assert reading.sequence == last.get(reading.sensor_id, -1) + 1
        last[reading.sensor_id] = reading.sequence
    assert len(set(partition_of.values())) == 3

    record = ledger.read(path)["00000000002a"]
    assert (record.sent, record.acknowledged, record.failed) == (3000, 3000, 0)
    assert record.ranges == {sensor: [(0, 59)] for sensor in range(50)}


def test_seed_run_and_start_give_the_same_bytes_for_any_number_of_processes(broker, new_topic, run_script):
    contents = []
    for processes in (1, 3):
        topic = new_topic()
        done = run_script(
            *("producer.py", "--servers", broker.servers, "--topic", topic, "--processes", processes),
            *("--sensors", 20, "--rate", 1000, "--count", 1500, "--malformed-rate", 0.05, "--late-rate", 0.05),
            *("--seed", 3, "--run", "abc", "--start", "2026-03-01T12:00:00Z"),
        )
        assert done.code == 0, done.stderr
        contents.append(sorted((r.key(), r.value()) for r in read_all(broker.servers, topic)))
    assert len(contents[0]) == 1500
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("linger", "count", "is_shared"), [(3000, 30, True), (0, 120, False)])
def test_readings_wait_for_others_to_share_their_batch_as_long_as_they_are_told(
    linger, count, is_shared, broker, topic, run_script
):
    done = run_script(
        *("producer.py", "--servers", broker.servers, "--topic", topic, "--linger", linger),
        *("--sensors", 12, "--rate", 30, "--count", count),
    )
    assert done.code == 0, done.stderr

    # A record has the time at which the broker appended its batch. Those that wait come within a second, the others
    # within four, of which a busy machine may stand still for half.
    batches = {(record.partition(), record.timestamp()[1]) for record in read_all(broker.servers, topic)}
    assert len(batches) == 3 if is_shared else len(batches) > 15


def test_faults_on_purpose_are_on_the_topic_and_in_the_ledger(broker, topic, run_script, tmp_path):
    path = tmp_path / "run.jsonl"
    done = run_script(
        *("producer.py", "--servers", broker.servers, "--topic", topic, "--ledger", path, "--run", "1"),
        *("--sensors", 20, "--rate", 2000, "--count", 4000),
        *("--late-rate", 0.1, "--duplicate-rate", 0.05, "--malformed-rate", 0.02, "--drop-rate", 0.01),
    )
    assert done.code == 0, done.stderr

    good, refused = [], {}
    for record in read_all(broker.servers, topic):
        try:
            good.append(decode_reading(record.value()))
        except RefusedMessage:
            refused[(record.partition(), record.offset())] = record
    book = ledger.read(path)["000000000001"]
    counted = Counter((event_ids.decode(reading.event_id)[2], reading.sequence) for reading in good)
    assert len(refused) == 80
    assert len(counted) == 4000 - 80 - 40
    assert {place for place, times in counted.items() if times == 2} == book.duplicate
    assert len(book.duplicate) == 200
    assert len(book.late) == 400
    assert len(book.dropped) == 40
    assert not book.dropped & set(counted)
    assert set(book.malformed.values()) == set(refused)
    assert book.sent == book.acknowledged == 4000 + 200 - 40


def test_an_outage_of_the_broker_delays_readings_and_loses_none(start_script, tmp_path):
    # given a producer with a buffer that the outage fills
    data = tmp_path / "data"
    path = tmp_path / "run.jsonl"
    with local_broker(data) as broker:
        script = start_script(
            *("producer.py", "--servers", broker.servers, "--sensors", 100, "--rate", 1000, "--count", 12_000),
            *("--buffer", 2000, "--ledger", path, "--run", "1", "--statistics-interval", 0.5),
        )
        await_condition(lambda: path.exists() and _acknowledged(path) > 500, "the first acknowledgements")
        # when the broker is killed, stays away until the buffer is full, and comes back
        kill(broker)
        script.await_output("the broker does not answer")
    seen = _acknowledged(path)
    script.await_output("2,000 waiting")
    with local_broker(data, broker.port) as broker:
        done = script.wait()
        # then every reading is there, once
        records = read_all(broker.servers, "sensor-data")
    assert done.code == 0, done.stderr
    assert "the broker answers again" in done.stderr
    assert seen < 12_000
    assert len(records) == len(ids(records)) == 12_000
    assert ledger.read(path)["000000000001"].readings == 12_000


def _acknowledged(path):
    return sum(record.acknowledged for record in ledger.read(path).values())


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_everything_acknowledged(broker, topic, start_script, tmp_path, processes, number):
    path = tmp_path / "run.jsonl"
    script = start_script(
        *("producer.py", "--servers", broker.servers, "--topic", topic, "--rate", 500),
        *("--processes", processes, "--ledger", path, "--statistics-interval", 0.2),
    )
    script.await_output(" acknowledged, ", times=3)
    children = psutil.Process(script.pid).children(recursive=True)
    script.signal(number)
    done = script.wait()
    assert done.code == 0, done.stderr
    record = next(iter(ledger.read(path).values()))
    assert record.sent == record.acknowledged == record.readings == len(read_all(broker.servers, topic))
    await_condition(lambda: not any(child.is_running() for child in children), "no process left")


def test_readings_that_nobody_acknowledged_make_the_exit_code_1(start_script, tmp_path):
    with local_broker(tmp_path / "data") as broker:
        script = start_script("producer.py", "--servers", broker.servers, "--rate", 500, "--flush-timeout", 1)
        script.await_output("sensors, up to")
        await_condition(lambda: "sensor-data" in str(list((tmp_path / "data").rglob("sensor-data-0"))), "the topic")
        kill(broker)
        script.await_output("the broker does not answer")
        script.signal(signal.SIGINT)
        done = script.wait()
    assert done.code == 1
    assert "messages were not acknowledged" in done.stderr


def test_a_second_signal_ends_at_once(start_script, tmp_path):
    with local_broker(tmp_path / "data") as broker:
        script = start_script("producer.py", "--servers", broker.servers, "--rate", 500, "--processes", 2)
        script.await_output("sensors, up to")
        await_condition(lambda: len(psutil.Process(script.pid).children()) >= 2, "the processes")
        kill(broker)
        script.await_output("the broker does not answer")
        children = psutil.Process(script.pid).children(recursive=True)
        script.signal(signal.SIGINT)
        script.await_output("stopping")
        script.signal(signal.SIGINT)
        done = script.wait()
    assert done.code == 130
    assert "Traceback" not in done.stderr
    await_condition(lambda: not any(child.is_running() for child in children), "no process left")


def test_a_sending_process_that_dies_is_reported_and_ends_the_run(broker, topic, start_script):
    script = start_script("producer.py", "--servers", broker.servers, "--topic", topic, "--processes", 2)
    await_condition(lambda: bool(read_all(broker.servers, topic)), "the first readings")
    workers = [one for one in psutil.Process(script.pid).children() if "spawn_main" in " ".join(one.cmdline())]
    workers[0].kill()
    done = script.wait()
    assert done.code == 1
    assert "a sending process ended unexpectedly" in done.stderr
    await_condition(lambda: not any(worker.is_running() for worker in workers), "no process left")


def test_workers_end_when_their_parent_is_killed(broker, topic, start_script):
    script = start_script("producer.py", "--servers", broker.servers, "--topic", topic, "--processes", 2)
    await_condition(lambda: bool(read_all(broker.servers, topic)), "the first readings")
    children = psutil.Process(script.pid).children(recursive=True)
    script.process.kill()
    await_condition(lambda: not any(child.is_running() for child in children), "no process left")


def test_a_broker_that_is_not_there_is_one_clear_line(run_script):
    done = run_script("producer.py", "--servers", "127.0.0.1:1", seconds=50)
    assert done.code == 1
    assert done.stderr.strip().splitlines() == [
        "producer.py: no Kafka broker answers at 127.0.0.1:1; start one with "
        "'python stack.py up --services kafka', or name another with --servers"
    ]


def test_a_dry_run_needs_no_broker_and_is_repeatable(run_script):
    words = ("--dry-run", "--unpaced", "--count", 200, "--seed", 1, "--run", "1", "--start", "2026-03-01T12:00:00Z")
    first, second = (run_script("producer.py", *words) for _ in range(2))
    assert first.code == 0
    assert first.stdout == second.stdout
    assert [decode_reading(line.encode()).sequence for line in first.stdout.splitlines()][99:101] == [0, 1]


def test_a_dry_run_beside_a_progress_bar_writes_its_messages_to_stdout(tmp_path):
    # given a terminal on stderr, and stdout redirected to a file
    terminal, end = pty.openpty()
    out = tmp_path / "out"
    words = [sys.executable, str(ROOT / "producer.py"), "--dry-run", "--unpaced", "--count", "300"]
    with out.open("wb") as file, subprocess.Popen(words, stdout=file, stderr=end) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal that everybody has left ends with an error
            while chunk := os.read(terminal, 65_536):
                shown += chunk
    os.close(terminal)
    # then the messages are in the file, and none is on the terminal
    assert process.returncode == 0
    assert len([decode_reading(line) for line in out.read_bytes().splitlines()]) == 300
    assert b"event_id" not in shown
    assert b"300 sent" in shown


def test_variables_of_the_other_form_do_no_harm(run_script):
    environment = {"PIPELINE_RATE": "500", "PIPELINE_SENSORS": "9"}
    words = ("--dry-run", "--unpaced", "--count", 3, "--sensors-values-mean", 5, "--distribution", "constant")
    done = run_script("producer.py", *words, env=environment)
    assert done.code == 0, done.stderr
    assert {json.loads(line)["sensor_id"] for line in done.stdout.splitlines()} == {"sensor_0"}


def test_ctrl_c_while_connecting_ends_it_soon(start_script):
    script = start_script("producer.py", "--servers", "127.0.0.1:1", "--debug")
    script.await_output("127.0.0.1:1")
    script.signal(signal.SIGINT)
    done = script.wait()
    assert done.code == 130


def test_a_broker_that_expects_another_protocol_is_not_taken_for_absent(broker, run_script):
    done = run_script("producer.py", "--servers", broker.servers, "--security-protocol", "SSL")
    assert done.code == 1
    assert "--security-protocol" in done.stderr
    assert "no Kafka broker answers" not in done.stderr


def test_the_environment_fills_what_the_command_line_leaves_open(run_script):
    environment = {"PIPELINE_SENSORS": "3", "PIPELINE_COUNT": "7", "PIPELINE_UNPACED": "yes"}
    done = run_script("producer.py", "--dry-run", "--count", 5, env=environment)
    names = [json.loads(line)["sensor_id"] for line in done.stdout.splitlines()]
    assert names == ["sensor_0", "sensor_1", "sensor_2", "sensor_0", "sensor_1"]


WRONG = [
    (("--sensors", "0"), "--sensors: 0 is out of range: at least 1"),
    (("--sensors", "many"), "--sensors: 'many' is not a whole number"),
    (("--rate", "fast"), "--rate: 'fast' is not a number"),
    (("--rate", "0.00001"), "--rate: 0.00001 is out of range: 0 for a pause, or at least 0.0001"),
    (("--rate", "0"), "the first rate stands alone"),
    (("--anomaly-rate", "2"), "--anomaly-rate: 2 is out of range"),
    (("--delays",), "--delays: its value is missing"),
    (("--num-sensors", "2", "--sensors-values-mean", "1", "2", "3"), "has 3 values for 2 sensors"),
    (("--sensors-values-mean", "nan"), "--sensors-values-mean: nan is out of range"),
    (("--sensors-values-mean", "1", "--sensors-values-std", "-1"), "--sensors-values-std: -1 is out of range"),
    (("--sensors-values-mean", "1", "--distribution", "cauchy"), "--distribution: 'cauchy' is not one of normal"),
    (("--sensors-values-mean", "1", "--delays", "0"), "--delays: 0 is out of range"),
    (("--sensors-values-mean", "1", "--sensor-types", ""), "--sensor-types: '' is no name"),
    (("--fleet", "nowhere.toml"), "--fleet: there is no file 'nowhere.toml'"),
    (("--catalog", "nowhere.toml"), "--catalog: there is no file 'nowhere.toml'"),
    (("--duration", "0"), "--duration: 0 is out of range: more than 0"),
    (("--duration", "inf"), "--duration: inf is out of range"),
    (("--count", "1.5"), "--count: '1.5' is not a whole number"),
    (("--seed", "-1"), "--seed: -1 is out of range"),
    (("--run", "nightly"), "--run: 'nightly' is no run"),
    (("--start", "yesterday"), "--start: 'yesterday' is no ISO 8601 instant"),
    (("--start", "2026-01-01T00:00:00"), "has no zone"),
    (("--processes", "0"), "--processes: 0 is out of range"),
    (("--buffer", "1"), "--buffer: 1 is out of range"),
    (("--ledger", "nowhere/run.jsonl"), "the folder of 'nowhere/run.jsonl' does not exist"),
    (("--dry-run", "--ledger", "run.jsonl"), "leave out --ledger"),
    (("--late-rate", "0.9", "--drop-rate", "0.9"), "come to more than 1"),
    (("--late-by", "-1"), "--late-by: -1 is out of range"),
    (("--servers", "localhost"), "--servers: 'localhost' is not host:port"),
    (("--servers", "localhost:99999"), "is not host:port"),
    (("--topic", "no good"), "--topic: 'no good' is no topic name"),
    (("--security-protocol", "TLS"), "--security-protocol: 'TLS' is not one of"),
    (("--security-protocol", "SASL_SSL"), "needs --sasl-username and --sasl-password"),
    (("--sasl-username", "me"), "need --security-protocol SASL_PLAINTEXT or SASL_SSL"),
    (("--flush-timeout", "soon"), "--flush-timeout: 'soon' is not a number"),
    (("--colour", "red"), "unrecognized arguments: --colour red"),
    (("--rat", "5"), "unrecognized arguments: --rat 5"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_options_are_one_line_and_exit_code_2(capfd, monkeypatch, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    code = producer.main(list(words))
    captured = capfd.readouterr()
    assert code == 2
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_a_wrong_environment_variable_is_named(run_script):
    done = run_script("producer.py", "--dry-run", env={"PIPELINE_RATE": "fast"})
    assert done.code == 2
    assert "environment variable PIPELINE_RATE: 'fast' is not a number" in done.stderr

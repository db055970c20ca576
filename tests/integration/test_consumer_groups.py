"""consumer.py in groups, with commits, and while its broker comes and goes."""

import json
import secrets
import signal
from collections import Counter

import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition
from harness import await_condition, local_broker
from readings import send, some_readings
from topics import write_all

from pipeline.broker import Connection, ensure_topics, readings_topic


@pytest.fixture
def group():
    return f"group-{secrets.token_hex(4)}"


@pytest.fixture
def consume(broker, topic, group, start_script):
    """Starts a member of the test's group that has partitions to read."""

    def start(*words, interval=0.4):
        script = start_script(
            *("consumer.py", "--servers", broker.servers, "--topic", topic, "--group", group),
            *("--interval", interval, "--format", "json", *words),
        )
        script.await_output("gives us partitions")
        return script

    return start


def committed(servers: str, topic: str, group: str) -> int:
    """How many records the group has committed, over all partitions."""
    asking = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
    try:
        found = asking.committed([TopicPartition(topic, number) for number in range(3)], timeout=30)
    finally:
        asking.close()
    return sum(max(one.offset, 0) for one in found)


def counts(script) -> Counter:
    """How many readings of each sensor a consumer's last whole line tells."""
    lines = [line for line in script.stdout.split("\n")[:-1] if line]
    return Counter({name: one["count"] for name, one in json.loads(lines[-1])["by_sensor"].items()} if lines else {})


def stop(script) -> Counter:
    script.signal(signal.SIGINT)
    done = script.wait()
    assert done.code == 0, done.stderr
    return counts(script)


def sensors_of(readings) -> Counter:
    return Counter(reading.sensor_id for reading in readings)


def test_a_restart_goes_on_without_a_gap_or_a_repeat(broker, topic, group, consume):
    before, while_away, after = (some_readings(count, seed=count) for count in (700, 300, 200))
    send(broker.servers, topic, before)
    first = consume("--from-beginning")
    first.await_output('"records": 700,')
    assert stop(first) == sensors_of(before)
    assert committed(broker.servers, topic, group) == 700
    send(broker.servers, topic, while_away)

    # A group that has read before goes on where it was, whatever is said of the beginning.
    second = consume("--from-beginning")
    send(broker.servers, topic, after)
    second.await_output('"records": 500,')

    assert stop(second) == sensors_of(while_away + after)
    assert committed(broker.servers, topic, group) == 1200


def test_what_is_counted_is_committed_at_every_interval(broker, topic, group, consume):
    script = consume()
    send(broker.servers, topic, some_readings(500))
    script.await_output('"records": 500,')

    await_condition(lambda: committed(broker.servers, topic, group) == 500, "500 committed while it runs")

    assert sum(stop(script).values()) == 500


def test_a_killed_first_run_leaves_its_start_so_that_the_next_one_misses_nothing(broker, topic, group, consume):
    send(broker.servers, topic, some_readings(90, seed=1))
    first = consume(interval=3600)
    # The start alone: nothing was counted yet, and no interval has passed.
    await_condition(lambda: committed(broker.servers, topic, group) == 90, "the start is committed")
    first.signal(signal.SIGKILL)
    first.process.wait()
    later = some_readings(60, seed=2)
    send(broker.servers, topic, later)

    second = consume()
    second.await_output('"records": 60,')

    assert stop(second) == sensors_of(later)


def test_two_members_share_the_partitions_and_a_killed_one_hands_its_own_over(broker, topic, group, consume):
    first = consume()
    second = consume()
    first.await_output("gives us partitions", times=2)
    shared = some_readings(3000, seed=1)
    send(broker.servers, topic, shared)

    # Each reading is counted by one of them, and all of a sensor's by the same.
    await_condition(lambda: counts(first) + counts(second) == sensors_of(shared), "all readings counted once")
    assert counts(first)
    assert counts(second)
    assert not counts(first).keys() & counts(second).keys()
    await_condition(lambda: committed(broker.servers, topic, group) == 3000, "all of it committed")

    second.signal(signal.SIGKILL)
    second.process.wait()
    later = some_readings(900, seed=2)
    send(broker.servers, topic, later)

    first.await_output("gives us partitions 0, 1, 2")
    expected = sensors_of(shared) - counts(second) + sensors_of(later)
    await_condition(lambda: counts(first) == expected, "the survivor reads all partitions")
    assert stop(first) == expected


def test_a_member_too_many_stands_by_and_takes_over(broker, topic, group, consume, start_script):
    members = [consume() for _ in range(3)]
    fourth = start_script(
        *("consumer.py", "--servers", broker.servers, "--topic", topic, "--group", group),
        *("--interval", 0.4, "--format", "json"),
    )
    # Whichever it is that has no partition.
    await_condition(lambda: any("we stand by" in one.stderr for one in [*members, fourth]), "one stands by")
    readings = some_readings(600)
    send(broker.servers, topic, readings)
    everyone = [*members, fourth]
    await_condition(lambda: sum(map(counts, everyone), Counter()) == sensors_of(readings), "all counted once")

    totals = [stop(script) for script in everyone]

    assert sum(totals, Counter()) == sensors_of(readings)
    assert committed(broker.servers, topic, group) == 600


def test_tables_go_on_while_the_broker_is_away_and_nothing_is_lost_or_counted_twice(tmp_path, start_script):
    first, second = some_readings(400, seed=1), some_readings(300, seed=2)
    with local_broker(tmp_path) as broker:
        ensure_topics(Connection(broker.servers), [readings_topic("readings")], timeout=30)
        words = ("consumer.py", "--servers", broker.servers, "--topic", "readings", "--format", "json")
        alone = start_script(*words, "--interval", 0.3)
        # Its next commit would come after the outage, which is long enough for the group to give it up.
        member = start_script(*words, "--interval", 6, "--group", "away")
        alone.await_output("reading readings")
        member.await_output("gives us partitions 0, 1, 2")
        send(broker.servers, "readings", first)
        alone.await_output('"records": 400,')
        write_all(broker.servers, "readings", [b"marker"])
        member.await_output("refused readings")
        psutil.Process(broker.running.identity.pid).kill()

        for script in (alone, member):
            script.await_output("does not answer")
        tables = alone.stdout.count('"records": 400,')
        await_condition(lambda: alone.stdout.count('"records": 400,') >= tables + 3, "tables without a broker")
        member.await_output("has not heard of us for too long")

    with local_broker(tmp_path, broker.port):
        for script in (alone, member):
            script.await_output("answers again")
        member.await_output("gives us partitions 0, 1, 2", times=2)
        send(broker.servers, "readings", second)
        for script in (alone, member):
            script.await_output('"records": 700,')
            assert stop(script) == sensors_of(first + second)
    assert alone.stderr.count("does not answer") == alone.stderr.count("answers again") == 1


def test_a_second_ctrl_c_ends_it_at_once_when_the_first_waits_for_a_broker_that_is_gone(tmp_path, start_script):
    with local_broker(tmp_path) as broker:
        ensure_topics(Connection(broker.servers), [readings_topic("readings")], timeout=30)
        waiting, impatient = (
            start_script(
                *("consumer.py", "--servers", broker.servers, "--topic", "readings", "--interval", 3600),
                *("--group", name, "--from-beginning"),
            )
            for name in ("waiting", "impatient")
        )
        for script in (waiting, impatient):
            script.await_output("gives us partitions 0, 1, 2")
        send(broker.servers, "readings", some_readings(10, sensors=1))
        # In the same partition: when it is named, the readings before it are counted.
        write_all(broker.servers, "readings", [b"marker"], key=b"sensor_00")
        for script in (waiting, impatient):
            script.await_output("not_json")
        psutil.Process(broker.running.identity.pid).kill()
        for script in (waiting, impatient):
            script.await_output("does not answer")

    for script in (waiting, impatient):
        script.signal(signal.SIGINT)
        script.await_output("collected 10 sensor records")
    impatient.signal(signal.SIGINT)

    interrupted = impatient.wait()
    assert interrupted.code == 130
    assert interrupted.stderr.splitlines()[-1] == "consumer.py: interrupted before the work could end well"
    gave_up = waiting.wait()
    assert gave_up.code == 1
    assert "did not take the last offsets of group waiting" in gave_up.stderr.splitlines()[-1]

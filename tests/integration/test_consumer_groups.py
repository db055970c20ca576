"""consumer.py in groups, with commits, and while its broker comes and goes."""

import json
import secrets
import signal
from collections import Counter
from dataclasses import dataclass

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from harness import Completed, Script, await_condition, local_broker
from readings import send, some_readings

from pipeline.broker import Connection, Topic, ensure_topics, readings_topic
from pipeline.events import encode


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


def last_counts(stdout: str) -> Counter:
    """How many readings of each sensor a consumer's last whole line tells."""
    lines = [line for line in stdout.split("\n")[:-1] if line]
    return Counter({name: one["count"] for name, one in json.loads(lines[-1])["by_sensor"].items()} if lines else {})


def counts(script) -> Counter:
    return last_counts(script.stdout)


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


def test_a_member_too_many_stands_by_and_takes_over(broker, topic, group, start_script):
    ensure_topics(Connection(broker.servers), [Topic(f"{topic}-one", partitions=1)], timeout=30)
    words = ("consumer.py", "--servers", broker.servers, "--topic", f"{topic}-one", "--group", group)
    first, second = (start_script(*words, "--interval", 0.4, "--format", "json") for _ in range(2))
    await_condition(lambda: "we stand by" in first.stderr + second.stderr, "one of them stands by")
    idle, busy = (first, second) if "we stand by" in first.stderr else (second, first)
    busy.await_output("gives us partitions 0 of")
    before, after = some_readings(60, seed=1), some_readings(40, seed=2)
    send(broker.servers, f"{topic}-one", before)
    busy.await_output('"records": 60,')

    assert stop(busy) == sensors_of(before)
    send(broker.servers, f"{topic}-one", after)
    idle.await_output('"records": 40,')

    assert stop(idle) == sensors_of(after)


def test_a_partition_that_is_added_meanwhile_is_read_from_its_beginning(broker, topic, consume, start_script):
    alone = start_script(
        *("consumer.py", "--servers", broker.servers, "--topic", topic, "--format", "json", "--interval", 0.4)
    )
    alone.await_output("reading ")
    member = consume()
    admin = AdminClient({"bootstrap.servers": broker.servers})
    (added,) = admin.create_partitions([NewPartitions(topic, 4)]).values()
    added.result(30)
    readings = some_readings(50)
    producer = Producer({"bootstrap.servers": broker.servers})
    # Sent before the consumers can know of it.
    for reading in readings:
        producer.produce(topic, encode(reading), partition=3)
    assert producer.flush(60) == 0

    for script in (member, alone):
        script.await_output('"records": 50,')
        assert stop(script) == sensors_of(readings)


# --- a broker that is killed, stays away for longer than the group's patience, and comes back -------------------------

BEFORE, AFTER = some_readings(400, seed=1), some_readings(300, seed=2)


@dataclass(frozen=True)
class Outage:
    """What four consumers made of it. Two of them were asked to stop while the broker was away, one of these twice."""

    alone: Completed
    member: Completed
    waiting: Completed
    impatient: Completed


@pytest.fixture(scope="module")
def outage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outage")
    scripts = {}

    def start(name: str, *words) -> Script:
        common = ("--servers", broker.servers, "--topic", "readings", "--format", "json")
        scripts[name] = Script(("consumer.py", *common, *words), folder / "scripts", {}, folder)
        return scripts[name]

    try:
        with local_broker(folder) as broker:
            ensure_topics(Connection(broker.servers), [readings_topic("readings")], timeout=30)
            alone = start("alone", "--interval", "0.3")
            # Its next commit would come after the outage.
            member = start("member", "--interval", "6", "--group", "away")
            waiting = start("waiting", "--interval", "3600", "--group", "waiting")
            impatient = start("impatient", "--interval", "3600", "--group", "impatient")
            alone.await_output("reading readings")
            for script in (member, waiting, impatient):
                script.await_output("gives us partitions 0, 1, 2")
            send(broker.servers, "readings", BEFORE)
            await_all_counted(broker.servers, scripts.values())
            psutil.Process(broker.running.identity.pid).kill()

            for script in scripts.values():
                script.await_output("does not answer")
            tables = alone.stdout.count('"records": 400,')
            await_condition(lambda: alone.stdout.count('"records": 400,') >= tables + 3, "tables without a broker")
            for script in (waiting, impatient):
                script.signal(signal.SIGINT)
                script.await_output('"records": 400,')
            impatient.signal(signal.SIGINT)
            ended = {"impatient": impatient.wait(), "waiting": waiting.wait()}
            member.await_output("has not heard of us for too long")

        with local_broker(folder, broker.port):
            for script in (alone, member):
                script.await_output("answers again")
            member.await_output("gives us partitions 0, 1, 2", times=2)
            send(broker.servers, "readings", AFTER)
            for name, script in (("alone", alone), ("member", member)):
                script.await_output('"records": 700,')
                script.signal(signal.SIGINT)
                ended[name] = script.wait()
        yield Outage(**ended)
    finally:
        for script in scripts.values():
            script.end()


def await_all_counted(servers: str, scripts) -> None:
    """Wait until the consumers have counted all that was sent: each partition gets a last message of another fault."""
    faults = {"not_json": b"", "not_utf8": b"\xff", "missing_field": b"{}"}
    producer = Producer({"bootstrap.servers": servers})
    for partition, payload in enumerate(faults.values()):
        producer.produce("readings", payload, partition=partition)
    assert producer.flush(60) == 0
    for script in scripts:
        for fault in faults:
            script.await_output(f": {fault}: ")


def test_tables_go_on_and_nothing_is_lost_while_the_broker_is_away(outage):
    assert outage.alone.code == 0
    assert last_counts(outage.alone.stdout) == sensors_of(BEFORE + AFTER)


def test_the_broker_s_going_and_coming_back_are_one_line_each(outage):
    assert outage.alone.stderr.count("does not answer") == outage.alone.stderr.count("answers again") == 1


def test_a_member_that_was_given_up_by_its_group_counts_nothing_twice(outage):
    assert outage.member.code == 0
    assert last_counts(outage.member.stdout) == sensors_of(BEFORE + AFTER)


def test_a_stop_without_a_broker_prints_the_last_table_and_fails_as_it_cannot_commit(outage):
    assert outage.waiting.code == 1
    assert last_counts(outage.waiting.stdout) == sensors_of(BEFORE)
    assert "did not take the last offsets of group waiting" in outage.waiting.stderr.splitlines()[-1]


def test_a_second_ctrl_c_ends_it_at_once(outage):
    assert outage.impatient.code == 130
    assert last_counts(outage.impatient.stdout) == sensors_of(BEFORE)
    assert outage.impatient.stderr.splitlines()[-1] == "consumer.py: interrupted before the work could end well"

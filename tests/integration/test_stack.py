"""stack.py with real services: what it starts it stops, whatever happens to it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
import stored
from harness import await_condition, free_port

from pipeline import ledger, processes, runtime
from pipeline.broker import Connection, ensure_topics, readings_topic

RUNS = "verything runs, after"


def test_a_run_of_some_seconds_ends_by_itself_with_figures_that_agree_of_that_run_alone(stack):
    done = stack.up("--sensors", 50, "--rate", 400, "--seconds", 3).wait()

    figures = dict(re.findall(r"^ +(sent|acknowledged|failed|read) +([\d,]+) *$", done.stdout, re.MULTILINE))
    assert figures == {"sent": "1,200", "acknowledged": "1,200", "failed": "0", "read": "1,200"}, done.stdout
    assert "Everything that was sent was acknowledged and read" in done.stderr
    assert done.code == 0
    assert stack.left() == []

    # when it runs again over the same data
    words = ("--sensors", 5, "--rate", 100, "--seconds", 2, "--services", "kafka", "consumer", "producer")
    done = stack.up(*words).wait()

    assert re.search(r"^ +read +200 *$", done.stdout, re.MULTILINE), done.stdout
    assert done.code == 0


def test_mongodb_runs_alone_keeps_its_data_and_needs_no_java(stack):
    # when
    script = stack.up("--services", "mongo")
    script.await_output(RUNS)
    uri = f"mongodb://127.0.0.1:{stack.mongo_port}"
    with stored.opened(uri, "iot") as database:
        database["kept"].insert_one({"_id": 1})
    script.signal(signal.SIGINT)
    done = script.wait()

    # then
    assert done.code == 0
    assert re.findall(r"^  ✓ (\w+)", done.stderr, re.MULTILINE) == ["mongod", "mongo", "mongo"]
    assert "broker" not in done.stderr
    assert "stack.py logs mongo --follow" in done.stderr

    # and when it is started again
    script = stack.up("--services", "mongo")
    script.await_output(RUNS)
    with stored.opened(uri, "iot") as database:
        assert database["kept"].find_one() == {"_id": 1}
    script.signal(signal.SIGINT)
    assert script.wait().code == 0
    assert stack.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_closed_terminal_are_like_ctrl_c(stack, number):
    script = stack.up("--services", "kafka")
    script.await_output(RUNS)

    script.signal(number)

    assert script.wait().code == 0
    assert stack.left() == []
    assert stack.pids() == {}


def test_ctrl_c_while_it_starts_stops_what_was_started(stack):
    script = stack.up()
    await_condition(lambda: "kafka" in stack.pids() if (stack.folder / "services.json").exists() else False, "a start")

    script.signal(signal.SIGINT)

    done = script.wait()
    assert done.code == 130
    assert "Stopping before everything ran" in done.stderr
    assert stack.left() == []


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_ctrl_c_twice_ends_everything_at_once(stack, moment):
    # given
    script = stack.up("--services", "kafka", "mongo", "producer")
    if moment == "running":
        script.await_output(RUNS)
    else:
        await_condition(lambda: (stack.folder / "services.json").exists() and stack.mark() != "", "the first service")
    assert script.process.poll() is None

    # when
    script.signal(signal.SIGINT)
    script.await_output("Stopping")
    script.signal(signal.SIGINT)

    # then
    done = script.wait()
    assert done.code == 130
    # Of one service that only begins the first may have stopped all.
    if moment == "running":
        assert done.stderr.splitlines()[-1] == "stack.py: interrupted before the work could end well"
    assert stack.left() == []
    assert stack.pids() == {}


def test_each_part_that_dies_is_started_again_and_says_so(stack):
    script = stack.up("--rate", 100)
    script.await_output(RUNS)

    for name, pid in stack.pids().items():
        os.kill(pid, signal.SIGKILL)

        log = stack.folder / "logs" / f"{name}.log"
        script.await_output(f"{name} was ended by SIGKILL while it ran; its log is {log}; it starts again in 1 s")
        script.await_output(f"{name} runs again, ")
    script.signal(signal.SIGINT)
    done = script.wait()
    assert done.code == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert stack.left() == []


def test_a_producer_that_died_goes_on_for_the_rest_of_the_time_with_a_run_of_its_own(stack):
    script = stack.up("--rate", 100, "--seconds", 12, "--services", "kafka", "producer")
    script.await_output(RUNS)
    os.kill(stack.pids()["producer"], signal.SIGKILL)

    done = script.wait()

    runs = ledger.read(stack.folder / "ledger.jsonl").values()
    assert [one.ended for one in runs] == [False, True]
    assert 100 < [one.sent for one in runs][1] < 1200
    assert re.search(rf"^ *sent +{sum(one.sent for one in runs):,} *$", done.stdout, re.MULTILINE)


def test_a_part_that_dies_again_and_again_is_waited_for_longer_each_time(stack):
    script = stack.up("--rate", 100, "--services", "kafka", "producer")
    script.await_output(RUNS)
    # The broker refuses to start over data of another cluster.
    (stack.folder / "kafka" / "data" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")

    os.kill(stack.pids()["kafka"], signal.SIGKILL)

    script.await_output("it starts again in 1 s")
    script.await_output("kafka ended with exit code 1 while it ran")
    script.await_output("it starts again in 2 s")
    script.await_output("it starts again in 4 s")
    script.signal(signal.SIGINT)
    script.signal(signal.SIGTERM)
    assert script.wait().code == 130
    assert stack.left() == []


def test_a_part_that_cannot_start_is_reported_with_the_end_of_its_log(stack):
    # given: data that is Kafka's no more
    (stack.folder / "kafka" / "data").mkdir(parents=True)
    (stack.folder / "kafka" / "data" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    (stack.folder / "services.json").write_text("{}")

    done = stack.up().wait()

    assert done.code == 1
    assert re.search(r"^kafka ended with exit code 1 while it started; its log is ", done.stderr, re.MULTILINE)
    assert "Stored node id 7" in done.stderr.partition("The end of its log:")[2]
    assert stack.left() == []


@pytest.mark.parametrize("name", ["kafka", "mongo", "dashboard"])
def test_a_taken_port_is_named_before_anything_starts(stack, name):
    port = {"kafka": stack.port, "mongo": stack.mongo_port, "dashboard": stack.page_port}[name]
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()

        done = stack.up().wait()

    assert done.code == 1
    assert done.stderr.splitlines() == [
        f"stack.py: port {port}, which {name} needs, is taken by {psutil.Process().name()} (pid {os.getpid()}); "
        f"end that or choose another with --{name}-port"
    ]
    assert stack.pids() == {}


def test_two_services_on_one_port_are_refused_before_anything_starts(stack):
    done = stack.up("--mongo-port", stack.port).wait()

    assert done.code == 2
    assert done.stderr.splitlines()[0] == (
        f"stack.py: --kafka-port and --mongo-port are both {stack.port}: each needs a port of its own"
    )
    assert stack.pids() == {}


def test_a_detached_stack_is_seen_and_ended_from_other_terminals(stack):
    # when it is started detached
    started = stack.up("--detach", "--rate", 50, "--kafka-java-options=-Xmx300m -Dsaid=it").wait()
    assert started.code == 0, started.stderr
    pids = stack.pids()
    # The last one counts for Java.
    words = psutil.Process(pids["kafka"]).cmdline()
    assert "-Dsaid=it" in words
    assert [word for word in words if word.startswith("-Xmx")][-1] == "-Xmx300m"

    # then it runs on, healthy
    status = stack.run("status")
    rows = [line.split() for line in status.stdout.splitlines()]
    assert status.code == 0
    assert rows[0] == ["name", "pid", "since", "where", "state"]
    assert [(row[0], row[1], row[-1]) for row in rows[1:]] == [
        ("kafka", str(pids["kafka"]), "healthy"),
        ("mongo", str(pids["mongo"]), "healthy"),
        ("dashboard", str(pids["dashboard"]), "healthy"),
        ("consumer", str(pids["consumer"]), "running"),
        ("producer", str(pids["producer"]), "running"),
    ]
    ensure_topics(Connection(f"127.0.0.1:{stack.port}"), [readings_topic("one-more")], timeout=30)

    # and a second start, or a reset, is refused
    again = stack.up("--kafka-port", free_port()).wait()
    assert again.code == 1
    assert f"kafka (pid {pids['kafka']})" in again.stderr
    assert f"stack.py down --data-dir {stack.folder}, or start a second stack" in again.stderr
    assert stack.run("reset", "--yes").code == 1

    # and its logs can be read and followed
    assert "INFO" in stack.run("logs", "producer").stdout
    assert "Waiting for connections" in stack.run("logs", "mongo").stdout
    following = stack.begin("logs", "consumer", "--follow")
    following.await_output("sensor records", times=2)
    following.signal(signal.SIGINT)
    assert following.wait().code == 0

    # and a dead part is seen
    os.kill(pids["producer"], signal.SIGKILL)
    await_condition(lambda: not psutil.pid_exists(pids["producer"]), "the producer is gone")
    dead = stack.run("status")
    assert dead.code == 1
    assert dead.stdout.splitlines()[5].split()[-1] == "ended"

    # and down ends it all, once
    down = stack.run("down")
    assert down.code == 0
    assert re.findall(r"✓ (\w+) +stopped", down.stderr) == ["consumer", "dashboard", "mongo", "kafka"]
    assert stack.left() == []
    assert "Nothing runs from" in stack.run("down").stderr
    assert stack.run("status").code == 1


def test_down_asks_the_stack_of_another_terminal_to_stop(stack):
    script = stack.up("--services", "kafka", "producer", "--rate", 50)
    script.await_output(RUNS)

    down = stack.run("down")

    assert down.code == 0
    assert "✓ up        stopped everything" in down.stderr
    done = script.wait()
    assert done.code == 0
    assert "all is stopped" in done.stdout
    assert stack.left() == []


def test_services_that_outlive_a_killed_stack_are_ended_by_down(stack):
    # given
    script = stack.up("--rate", 50, "--services", "kafka", "mongo", "producer")
    script.await_output(RUNS)
    script.signal(signal.SIGKILL)
    script.wait()
    servers = {stack.pids()["kafka"], stack.pids()["mongo"]}
    assert servers <= {process.pid for process in stack.left()}

    # when
    down = stack.run("down")

    # then
    assert down.code == 0
    assert re.findall(r"✓ (kafka|mongo) +stopped", down.stderr) == ["mongo", "kafka"]
    assert stack.left() == []


def test_down_never_ends_a_process_that_has_the_id_of_a_service_by_chance(stack):
    # given: the ids on record belong to programs of somebody else by now
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "stack.py"]) as other:
        try:
            created = processes.identity(other.pid).created
            stack.folder.mkdir()
            for moment in (created, created - 86_400):
                who = {"pid": other.pid, "created": moment}
                record = {"name": "kafka", "process": who, "since": "2026-01-01T00:00:00Z", "address": "", "grace": 0.1}
                owner = {"pid": other.pid, "created": created - 86_400}
                state = {"mark": "somebody-elses", "owner": owner, "services": [record]}
                (stack.folder / "services.json").write_text(json.dumps(state))

                # when
                down = stack.run("down")

                # then
                assert down.code == 0
                assert "Nothing runs from" in down.stderr
                assert other.poll() is None
        finally:
            other.kill()


def test_reset_removes_the_data_only_when_it_is_sure(stack):
    # given
    assert stack.up("--services", "kafka", "mongo", "--seconds", "0.1").wait().code == 0

    # then: without a terminal it asks for --yes, and keeps the data
    refused = stack.run("reset")
    assert refused.code == 2
    assert re.fullmatch(r"stack.py: reset removes .* \(\d+ MB\); without a terminal, say --yes\n", refused.stderr)
    assert (stack.folder / "kafka" / "data").is_dir()
    assert (stack.folder / "mongo" / "data" / "WiredTiger").exists()

    # and on a terminal it asks
    for answer, gone in (("n", False), ("y", True)):
        code, screen = on_a_terminal(answer, "stack.py", "reset", "--data-dir", str(stack.folder))
        assert "with all messages, readings and logs" in screen
        assert stack.folder.exists() is not gone, screen
        assert code == (0 if gone else 1)

    # and where nothing is there is nothing to do
    assert stack.run("reset", "--yes").code == 0


def on_a_terminal(answer: str, *words: str) -> tuple[int, str]:
    """Runs a script on a pseudo terminal and types an answer to its question."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, str(runtime.ROOT / words[0]), *words[1:]])
    screen, deadline, answered = b"", time.monotonic() + 60, False
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                screen += os.read(terminal, 4096)
            except OSError:
                break
        if b"[y/N]" in screen and not answered:
            os.write(terminal, answer.encode() + b"\n")
            answered = True
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen.decode(errors="replace")


def test_reset_leaves_folders_alone_that_are_not_its_own(stack):
    stack.folder.mkdir()
    (stack.folder / "thesis.tex").write_text("years of work")

    for command in (("reset", "--yes"), ("up",)):
        refused = stack.run(*command)
        assert refused.code == 2
        assert len(refused.stderr.splitlines()) == 1

    assert (stack.folder / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("up", "--detach", "--seconds", "5"), "--detach leaves everything running, --seconds stops it: choose one"),
        (
            ("up", "--services", "kafka", "zookeeper"),
            "--services: 'zookeeper' is not one of kafka, mongo, dashboard, consumer, spark, producer",
        ),
        (("up", "--seconds", "0"), "--seconds: 0 is out of range"),
        (("up", "--kafka-port", "70000"), "--kafka-port: 70000 is out of range"),
        (("up", "--mongo-port", "0"), "--mongo-port: 0 is out of range"),
        (
            ("up", "--kafka-java-options", "'-Xmx2g"),
            '--kafka-java-options: "\'-Xmx2g" cannot be split into words: no cl',
        ),
        (("logs", "nginx"), "there is no log of 'nginx'"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(stack, words, message):
    done = stack.run(*words)

    assert done.code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_identity_of_a_stack_is_written_before_its_first_service(stack):
    """Whatever moment a stack is killed at, `down` can tell its processes."""
    script = stack.up()
    await_condition((stack.folder / "services.json").exists, "the state file")
    await_condition(lambda: stack.mark() != "", "the mark")
    script.signal(signal.SIGKILL)
    script.wait()

    stack.run("down")

    # What prepares a service's data ends by itself.
    await_condition(lambda: stack.left() == [], "no process left")

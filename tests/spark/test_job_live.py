"""spark_job.py as it runs for days: alerts at once, a backlog in pieces, and its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from harness import await_condition, free_port
from jobs import NOT_FOR_USERS, START_SECONDS, Job, surroundings
from judged import NOW
from readings import send, some_readings
from scraping import scrape
from stored import opened
from topics import read_all

from pipeline import latency, metrics_spark, rules, spark_daemon
from pipeline.events import SensorReading, decode_alert
from pipeline.metrics_spark import AWAY, BATCHES, ROWS, STORED

pytestmark = pytest.mark.timeout(5 * START_SECONDS)

LIMIT = 500


@pytest.fixture
def job(broker, mongod, start_script, tmp_path) -> Iterator[Job]:
    with surroundings(start_script, broker.servers, mongod.uri, tmp_path) as own:
        yield own


@dataclass
class Stream:
    """Readings that are sent to a job, bit by bit."""

    job: Job
    sent: list[SensorReading] = field(default_factory=list)

    def send(self, count: int) -> None:
        readings = some_readings(count, seed=len(self.sent))
        send(self.job.servers, self.job.topic, readings)
        self.sent += readings

    def all_stored(self) -> bool:
        """Whether MongoDB holds all that was sent, and the windows count it once."""
        with opened(self.job.target.uri, self.job.target.database) as database:
            stored = database["sensor_metrics"].count_documents({})
            counted = sum(one["count"] for one in database["windowed_metrics"].find({}, {"count": 1}))
        return stored == counted == len(self.sent)

    def all_alerted(self) -> bool:
        """Whether the topic has the alerts of all that was sent, and no others."""
        wanted = {alert.alert_id for one in self.sent for alert in rules.alerts(rules.load(None), one, NOW)}
        records = read_all(self.job.servers, self.job.alerts_topic)
        return {decode_alert(record.value()).alert_id for record in records} == wanted != set()

    def all_silent(self) -> bool:
        """Whether each sensor has an alarm for sending nothing."""
        with opened(self.job.target.uri, self.job.target.database) as database:
            found = database["alarms"].distinct("sensor_id", {"alert_type": "silent"})
        return set(found) == {one.sensor_id for one in self.sent}


def progress(job: Job, query: str) -> list[dict]:
    """The batches of a query that have ended; the others only give a sign of life."""
    with opened(job.target.uri, job.target.database) as database:
        return list(database["pipeline_progress"].find({"query": query, "rows": {"$exists": True}}))


def legs(job: Job) -> dict[str, latency.Counts]:
    """What the readings took on each leg, of all batches together."""
    told: dict[str, latency.Counts] = {}
    for batch in progress(job, "readings"):
        told = latency.added(told, batch.get("latency", {}))
    return told


def assert_legs_are_those_of_what_is_stored(job: Job) -> None:
    told = legs(job)
    with opened(job.target.uri, job.target.database) as database:
        stored = list(database["sensor_metrics"].find())
    to_broker = sorted((one["kafka_timestamp"] - one["timestamp"]) / timedelta(milliseconds=1) for one in stored)
    to_store = sorted((one["stored_at"] - one["timestamp"]) / timedelta(milliseconds=1) for one in stored)
    for part in (0.5, 0.95):
        position = round(part * len(stored)) - 1
        # MongoDB cuts an instant to whole milliseconds, so one class further may be right.
        lowest, highest = (latency.bounds(latency.class_of(to_broker[position] + off)) for off in (-1, 1))
        assert lowest[0] <= 1000 * latency.quantile(told["to_broker"], part) <= highest[1]
        # stored_at is from before the insert, and the leg ends with its acknowledgement.
        assert 1000 * latency.quantile(told["in_all"], part) >= 0.8 * to_store[position]
    assert {latency.total(counts) for counts in told.values()} == {len(stored)}


def test_a_live_job_works_off_a_backlog_in_pieces_sends_alerts_at_once_tells_silence_and_ends_well(job):
    # given
    stream = Stream(job)
    stream.send(3000)
    port = free_port()
    script = job.start(
        *("--max-offsets-per-trigger", LIMIT, "--alert-batch", "10m", "--trigger", "1s", "--silent-after", "3s"),
        *("--metrics-port", port),
    )
    script.await_output("the job runs", seconds=START_SECONDS)

    # then: a backlog is worked off in pieces, and alerts come long before the router's batch ends
    await_condition(stream.all_stored, "the backlog", START_SECONDS)
    await_condition(stream.all_alerted, "the alerts of the backlog", START_SECONDS)
    assert 0 < max(one["rows"] for one in progress(job, "readings")) <= LIMIT
    assert 0 < max(one["rows"] for one in progress(job, "windows")) <= LIMIT
    stream.send(20)
    await_condition(stream.all_alerted, "the alert of a live reading")
    assert progress(job, "router") == []
    assert {one["trigger_seconds"] for one in progress(job, "readings")} == {1.0}
    # Readings and windows are done in the same batches.
    assert {one["batch_id"] for one in progress(job, "windows")} == {
        one["batch_id"] for one in progress(job, "readings")
    }
    assert {one.name for one in job.checkpoint.iterdir() if one.is_dir()} == {"windows", "router"}
    await_condition(stream.all_stored, "the live readings")
    await_condition(lambda: latency.total(legs(job)["in_all"]) == len(stream.sent), "the report of the live readings")
    assert_legs_are_those_of_what_is_stored(job)
    await_condition(stream.all_silent, "the alarms of the sensors that send no more")

    # then: Spark's Python workers were forked with their libraries loaded
    assert any(spark_daemon.MODULE in one.cmdline() for one in job.processes())

    # then: Prometheus is told the same
    await_condition(lambda: scrape(port).value(ROWS, query="readings") == 3020, "the rows of all batches")
    shown = scrape(port)
    shown.require_declared(metrics_spark.METRICS)
    assert shown.value(STORED, query="readings") == 3020
    assert shown.value(f"{BATCHES.name}_count", query="readings") >= 3000 / LIMIT
    assert shown.total(AWAY) == 0

    # when it is asked to end
    script.signal(signal.SIGTERM)

    done = script.wait(START_SECONDS)
    assert done.code == 0, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "\tat " not in done.stderr
    await_condition(lambda: job.processes() == [], "the end of its processes")
    assert list((job.folder / "scratch").iterdir()) == []


def test_a_second_ctrl_c_ends_it_at_once_and_leaves_nothing_running(job):
    # given
    script = job.start("--alert-mode", "micro-batch")
    script.await_output("the job runs", seconds=START_SECONDS)
    assert any(one.name() == "java" for one in job.processes())

    # when
    script.signal(signal.SIGINT)
    # Another signal with the same effect: the system makes two equal ones at once into one.
    script.signal(signal.SIGTERM)

    # then
    done = script.wait(START_SECONDS)
    assert done.code == 130, done.stderr
    line = "spark_job.py: interrupted before the work could end well"
    assert done.stderr.splitlines()[-1] == line, done.stderr
    assert [one for one in done.stderr.splitlines() if any(word in one for word in NOT_FOR_USERS)] == []
    await_condition(lambda: job.processes() == [], "the end of its processes")
    assert list((job.folder / "scratch").iterdir()) == []

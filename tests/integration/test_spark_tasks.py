"""What Spark's tasks do with Arrow batches, against a real mongod: one outcome row a batch, and never an exception."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from harness import free_port
from hypothesis import given
from hypothesis import strategies as st
from readings import some_readings
from stored import opened, window

from pipeline import latency_counts, rules, spark_tasks
from pipeline.events import RefusedMessage, SensorReading, decode_reading, encode
from pipeline.spark_tasks import COUNTS, MeasurementsTask, Outcome, ReadingsTask, WindowsTask
from pipeline.store import Store
from pipeline.store_ids import event_id
from tests.messages import CASES, KAFKA_TIMESTAMP_MS, MAX_AHEAD

_INSTANTS = ("window_start", "window_end")
RECORDS = pa.schema([("value", pa.binary()), ("kafka_timestamp", pa.int64())])


def in_milliseconds(row: dict[str, Any]) -> dict[str, Any]:
    """A record with instants as Spark hands them over."""
    changed = {name: round(1000 * row[name].timestamp()) for name in _INSTANTS if row.get(name) is not None}
    return {**row, **changed}


def row(value: bytes | None, offset: int = 0, at: int = KAFKA_TIMESTAMP_MS) -> dict[str, Any]:
    """A row of `transforms.records`."""
    place = {"topic": "sensor-data", "partition": 0, "offset": offset, "key": b"sensor_1", "retry_count": 0}
    return {**place, "value": value, "kafka_timestamp": at}


def rows(*readings: SensorReading) -> list[dict[str, Any]]:
    arrival = round(1000 * readings[0].event_time.timestamp()) + 5
    return [row(encode(reading), offset, arrival) for offset, reading in enumerate(readings)]


def task(store: Store) -> ReadingsTask:
    return ReadingsTask(store, rules.load(None), 60.0, MAX_AHEAD)


def outcomes(task: Any, *batches: list[dict[str, Any]]) -> list[Outcome]:
    found = list(task(pa.RecordBatch.from_pylist(rows) for rows in batches))
    # It rests while a batch is written.
    assert gc.isenabled()
    assert all(batch.num_rows == 1 for batch in found)
    assert all(batch.schema.names == [one.split()[0] for one in spark_tasks.SCHEMA.split(", ")] for batch in found)
    return [Outcome(**row) for batch in found for row in batch.to_pylist()]


@pytest.fixture
def nowhere() -> Store:
    """A server that is away, noticed soon."""
    return Store(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200", "test")


def test_each_batch_is_judged_written_and_counted(target):
    some = some_readings(6)
    hot = msgspec.structs.replace(some[0], sensor_type="temperature", value=1000.0, metadata={"battery_level": 7})
    first = [*rows(hot, *some[1:4]), row(b"{oops", 70)]
    second = [*rows(*some[3:]), row(None, 71)]
    wanted = rules.alerts(rules.load(None), hot, "")
    others = [alert for one in some[1:] for alert in rules.alerts(rules.load(None), one, "")]
    assert wanted

    found = outcomes(task(target), first, second)

    assert [(one.stored, one.known, one.refused) for one in found] == [(4, 0, 1), (2, 1, 1)]
    assert [one.counts_within()["refused_by_code"] for one in found] == [{"not_json": 1}, {"null_message": 1}]
    with opened(target.uri, target.database) as database:
        stored = {event_id(one["_id"]): one for one in database["sensor_metrics"].find()}
        assert {one.event_id for one in some} == stored.keys()
        kept = stored[hot.event_id]
        assert (kept["value"], kept["metadata"], kept["offset"]) == (1000.0, hot.metadata, 0)
        assert kept["timestamp"] == hot.event_time.replace(microsecond=hot.event_time.microsecond // 1000 * 1000)
        letters = {one["offset"]: (one["code"], one.get("value")) for one in database["dead_letters"].find()}
        assert letters == {70: ("not_json", b"{oops"), 71: ("null_message", None)}
        alerts = {one["_id"]: one for one in database["anomaly_alerts"].find()}
        assert alerts.keys() == {one.alert_id for one in (*wanted, *others)}
        assert alerts[wanted[0].alert_id]["message"] == wanted[0].message


@given(st.lists(st.sampled_from(CASES)))
def test_the_rows_for_windows_are_the_readings_that_the_codec_accepts(cases):
    batch = pa.RecordBatch.from_pylist([row(case.payload) for case in cases], schema=RECORDS)

    [found] = MeasurementsTask(MAX_AHEAD)(iter([batch]))

    accepted = []
    for case in cases:
        with suppress(RefusedMessage):
            one = decode_reading(case.payload, kafka_timestamp_ms=KAFKA_TIMESTAMP_MS, max_ahead=MAX_AHEAD)
            accepted.append((one.event_id, one.event_time, one.sensor_type, one.location, one.value))
    assert [tuple(one.values()) for one in found.to_pylist()] == accepted
    assert found.schema.names == [one.split()[0] for one in MeasurementsTask.SCHEMA.split(", ")]


def test_windows_are_written_and_counted(target):
    some = [in_milliseconds(window(second)) for second in (0, 10, 20)]

    assert outcomes(WindowsTask(target), some[:2], some[1:]) == [Outcome(stored=2), Outcome(stored=2)]

    with opened(target.uri, target.database) as database:
        assert database["windowed_metrics"].count_documents({}) == 3


def test_the_legs_of_what_was_stored_are_told_and_those_of_what_comes_again_are_not(target):
    some = some_readings(5)
    odd = msgspec.structs.replace(some[4], metadata={"a\0b": 1})
    records = rows(*some[:4], odd)
    sent = [one.event_time for one in some[:4]]
    received = max(sent) + timedelta(seconds=3)
    instants = iter([received, received + timedelta(milliseconds=40)])
    measured = replace(task(target), rules=(), now=lambda: next(instants, received))

    [first, again] = outcomes(measured, records, records)

    appended = [record["kafka_timestamp"] for record in records[:4]]
    at = round(1000 * received.timestamp())
    assert first.counts_within()["latency"] == latency_counts.legs(sent, appended, at, at + 40)
    assert (again.stored, again.known) == (0, 4)
    assert again.counts_within() == {"refused_by_code": {"not_storable": 1}}


@pytest.mark.parametrize("metadata", [{"a": 123456789012345678901}, {"a\0b": 1}])
def test_a_reading_that_mongodb_does_not_take_is_a_dead_letter_and_the_rest_is_stored(target, metadata):
    some = some_readings(3)
    odd = msgspec.structs.replace(some[0], metadata=metadata)

    [found] = outcomes(task(target), rows(odd, *some[1:]))

    assert (found.stored, found.refused) == (2, 1)
    with opened(target.uri, target.database) as database:
        [letter] = database["dead_letters"].find()
    assert (letter["code"], letter["partition"], letter["offset"]) == ("not_storable", 0, 0)
    assert letter["reason"].startswith("MongoDB does not take it: ")
    assert letter["value"] == encode(odd)
    assert letter["key"] == b"sensor_1"


@pytest.mark.parametrize(("before", "after"), [(0, spark_tasks.NICENESS), (spark_tasks.NICENESS + 2,) * 2])
def test_a_worker_steps_back_behind_alerts_and_not_further_with_each_task(before, after):
    code = (
        "import os\nfrom pyspark import TaskContext\nfrom pipeline.spark_tasks import MeasurementsTask\n"
        f"os.setpriority(os.PRIO_PROCESS, 0, {before})\n"
        "def priority():\n    list(MeasurementsTask(0)([]))\n    return os.getpriority(os.PRIO_PROCESS, 0)\n"
        "outside = priority()\nTaskContext._getOrCreate()\nprint(outside, priority(), priority())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(before), str(after), str(after)]


def test_an_outage_is_an_outcome_and_the_rest_of_the_batches_is_left(nowhere):
    readings = rows(*some_readings(2))

    for one, batch in ((task(nowhere), readings), (WindowsTask(nowhere), [in_milliseconds(window(0))])):
        [found] = outcomes(one, batch, batch)

        assert found.outage
        assert found.outage.startswith(f"no MongoDB server answers at {nowhere.address}")
        assert found.error is None
        assert [getattr(found, name) for name in COUNTS] == [0, 0, 0, 0]


def test_an_error_that_only_a_person_can_mend_is_an_outcome(target):
    # given a validator that takes none of ours
    with opened(target.uri, target.database) as database:
        database.command("collMod", "windowed_metrics", validator={"nobody": {"$exists": True}})

    [found] = outcomes(WindowsTask(target), [in_milliseconds(window(0))], [in_milliseconds(window(10))])

    assert found.outage is None
    assert found.error
    assert found.error.startswith("MongoDB does not take what we made: ")
    assert found.error.endswith("see that mongo-schema.json is ours")


def test_outcomes_add_up_and_keep_the_first_outage_and_error():
    total = Outcome()
    some, more = '{"latency": {"in_all": {"7": 1}}}', '{"latency": {"in_all": {"7": 2, "9": 1}}}'
    for one in (
        Outcome(1, 2, 3, 4, details=some),
        Outcome(10, outage="first"),
        Outcome(outage="second", error="wrong", details=more),
    ):
        total.add(one)

    assert total == Outcome(11, 2, 3, 4, "first", "wrong", '{"latency": {"in_all": {"7": 3, "9": 1}}}')

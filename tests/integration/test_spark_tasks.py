"""What Spark's tasks do with Arrow batches, against a real mongod: one outcome row a batch, and never an exception."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from harness import free_port
from stored import alert, dead_letter, opened, readings, window

from pipeline import spark_tasks
from pipeline.spark_tasks import COUNTS, Outcome, ReadingsTask, WindowsTask
from pipeline.store import Store
from pipeline.store_ids import event_id

_INSTANTS = ("timestamp", "kafka_timestamp", "detected_at", "window_start", "window_end")


def in_milliseconds(row: dict[str, Any]) -> dict[str, Any]:
    """A record with instants as Spark hands them over."""
    changed = {name: round(1000 * row[name].timestamp()) for name in _INSTANTS if row.get(name) is not None}
    return {**row, **changed}


def reading_row(reading: dict[str, Any], *alerts: dict[str, Any], metadata: str | None = None) -> dict[str, Any]:
    """A row of `transforms.stored` for a reading."""
    metadata = metadata or json.dumps(reading["metadata"])
    nothing = dict.fromkeys(("code", "reason", "content"))
    place = {"topic": "sensor-data", "key": b"sensor_1", "retry_count": 0}
    found = [in_milliseconds(one) for one in alerts]
    return {**in_milliseconds(reading), **place, **nothing, "metadata": metadata, "alerts": found}


def letter_row(offset: int, value: bytes | None) -> dict[str, Any]:
    """A row of `transforms.stored` for what is refused."""
    letter = in_milliseconds(dead_letter(offset, value))
    content = letter.pop("value")
    nothing = dict.fromkeys(name for name in readings(1)[0] if name not in letter)
    return {**nothing, **letter, "content": content, "alerts": None}


def outcomes(task: Any, *batches: list[dict[str, Any]]) -> list[Outcome]:
    found = list(task(pa.RecordBatch.from_pylist(rows) for rows in batches))
    assert all(batch.num_rows == 1 for batch in found)
    assert all(batch.schema.names == [one.split()[0] for one in spark_tasks.SCHEMA.split(", ")] for batch in found)
    return [Outcome(**row) for batch in found for row in batch.to_pylist()]


@pytest.fixture
def nowhere() -> Store:
    """A server that is away, noticed soon."""
    return Store(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200", "test")


def test_each_batch_is_written_and_counted(target):
    some = readings(6)
    first = [reading_row(some[0], alert(0)), *map(reading_row, some[1:4]), letter_row(70, b"{oops")]
    second = [*map(reading_row, some[3:]), letter_row(71, None)]

    found = outcomes(ReadingsTask(target, 60.0), first, second)

    assert found == [
        Outcome(stored=4, refused=1, alerts=1),
        Outcome(stored=2, known=1, refused=1),
    ]
    with opened(target.uri, target.database) as database:
        stored = {event_id(one["_id"]): one for one in database["sensor_metrics"].find()}
        assert {one["event_id"] for one in some} == stored.keys()
        assert stored[some[0]["event_id"]]["metadata"] == some[0]["metadata"]
        assert stored[some[0]["event_id"]]["timestamp"] == some[0]["timestamp"]
        letters = {one["offset"]: one.get("value") for one in database["dead_letters"].find()}
        assert letters == {70: b"{oops", 71: None}
        assert database["anomaly_alerts"].count_documents({}) == database["alarms"].count_documents({}) == 1


def test_windows_are_written_and_counted(target):
    rows = [in_milliseconds(window(second)) for second in (0, 10, 20)]

    assert outcomes(WindowsTask(target), rows[:2], rows[1:]) == [Outcome(stored=2), Outcome(stored=2)]

    with opened(target.uri, target.database) as database:
        assert database["windowed_metrics"].count_documents({}) == 3


@pytest.mark.parametrize("metadata", ['{"a":123456789012345678901}', '{"a\\u0000b":1}'])
def test_a_reading_that_mongodb_does_not_take_is_a_dead_letter_and_the_rest_is_stored(target, metadata):
    some = readings(3)

    [found] = outcomes(
        ReadingsTask(target, 60.0), [reading_row(some[0], metadata=metadata), *map(reading_row, some[1:])]
    )

    assert found == Outcome(stored=2, refused=1)
    with opened(target.uri, target.database) as database:
        [letter] = database["dead_letters"].find()
    assert (letter["code"], letter["partition"], letter["offset"]) == ("not_storable", 0, 0)
    assert letter["reason"].startswith("MongoDB does not take it: ")
    content = msgspec.json.decode(letter["value"])
    assert content["event_id"] == some[0]["event_id"]
    assert content["metadata"] == json.loads(metadata)
    assert letter["key"] == b"sensor_1"


def test_an_outage_is_an_outcome_and_the_rest_of_the_batches_is_left(nowhere):
    rows = [reading_row(one) for one in readings(2)]

    for task, batch in ((ReadingsTask(nowhere, 60.0), rows), (WindowsTask(nowhere), [in_milliseconds(window(0))])):
        [found] = outcomes(task, batch, batch)

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
    for one in (Outcome(1, 2, 3, 4), Outcome(10, outage="first"), Outcome(outage="second", error="wrong")):
        total.add(one)

    assert total == Outcome(11, 2, 3, 4, "first", "wrong")

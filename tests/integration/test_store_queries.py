"""What is asked of a real mongod: the answers, and that an index gives each of them."""

from __future__ import annotations

from datetime import timedelta

import explaining
import numpy as np
import pytest
import stored
from stored import RUN, START, STILL

from pipeline import store_alarms, store_columns, store_progress, store_queries, store_writes
from pipeline.store import Store
from pipeline.store_faults import StoreError, StoreUnavailable

OTHER_RUN = "000000000abc"


@pytest.fixture
def filled(target: Store) -> Store:
    """A database with two runs, windows, dead letters and alerts."""
    store_writes.write_readings(target, stored.readings(40), STILL)
    store_writes.write_readings(target, stored.readings(12, run=OTHER_RUN, start=START + timedelta(hours=1)), STILL)
    store_writes.write_windows(target, [stored.window(10 * n) for n in range(6)], STILL)
    store_writes.write_dead_letters(target, [stored.dead_letter(n) for n in (3, 1, 2)], STILL)
    store_alarms.write_alerts(target, [stored.alert(100 * n, sensor=n % 2) for n in range(6)], 60, STILL)
    return target


def test_the_readings_of_a_run_come_by_sequence_and_sensor(filled):
    found = list(store_queries.readings_of_run(filled, RUN))

    assert found == [(sequence, sensor) for sequence in range(10) for sensor in range(4)]
    assert store_queries.count_readings(filled, RUN) == 40
    assert store_queries.count_readings(filled, OTHER_RUN) == 12
    assert store_queries.count_readings(filled, "ffffffffffff") == 0


def test_the_readings_of_a_sensor_and_run_come_by_time_with_their_event_ids(filled):
    found = list(store_queries.readings_of_sensor(filled, RUN, "sensor_2"))

    assert [one["event_id"] for one in found] == [one["event_id"] for one in stored.readings(40)[2::4]]
    assert [one["sequence"] for one in found] == list(range(10))


def test_readings_between_two_instants_leave_the_later_one_out(filled):
    found = list(store_queries.readings_between(filled, START + timedelta(seconds=1), START + timedelta(seconds=1.3)))

    assert [(one["timestamp"] - START).total_seconds() for one in found] == [1.0, 1.1, 1.2]
    assert found[0].keys() == {"timestamp", "sensor_type", "location", "value"}


def test_the_readings_of_a_run_come_in_arrays_as_well(filled, monkeypatch):
    monkeypatch.setattr(store_columns, "_PART", 7)

    parts = list(store_columns.identities_of_run(filled, RUN))

    assert len(parts) > 1
    assert np.concatenate([part.sequences for part in parts]).tolist() == [n // 4 for n in range(40)]
    assert np.concatenate([part.sensors for part in parts]).tolist() == [n % 4 for n in range(40)]
    begin = round(START.timestamp() * 1000)
    assert np.concatenate([part.instants for part in parts]).tolist() == [begin + 100 * n for n in range(40)]
    assert list(store_columns.identities_of_run(filled, "ffffffffffff")) == []


def test_a_document_of_a_run_without_a_timestamp_is_refused(filled):
    collection = filled.collection("sensor_metrics")
    filled.open().command("collMod", "sensor_metrics", validationLevel="off")
    collection.update_one({"sequence": 3, "sensor_id": "sensor_2"}, {"$unset": {"timestamp": 1}})

    with pytest.raises(StoreError, match="a document without a timestamp"):
        list(store_columns.identities_of_run(filled, RUN))


@pytest.mark.parametrize("marks", [0, 1, 3])
def test_measurements_come_in_arrays_with_those_marked_that_were_asked_for(filled, monkeypatch, marks):
    monkeypatch.setattr(store_columns, "_PART", 7)
    filled.collection("sensor_metrics").update_many({"sensor_id": "sensor_1"}, {"$unset": {"location": 1}})
    records = stored.readings(40)[10:31]
    chosen = {one["event_id"] for one in records[:marks]}

    parts = list(
        store_columns.measurements_between(filled, START + timedelta(seconds=1), START + timedelta(seconds=3.1), chosen)
    )

    assert [len(part.values) for part in parts] == [7, 7, 7]
    found = [
        row
        for part in parts
        for row in zip(
            *(part.instants.tolist(), part.sensor_types, part.locations, part.values.tolist(), part.marked.tolist()),
            strict=True,
        )
    ]
    assert found == [
        (
            round(one["timestamp"].timestamp() * 1000),
            "temperature",
            None if one["sensor_id"] == "sensor_1" else "warehouse-north",
            one["value"],
            one["event_id"] in chosen,
        )
        for one in records
    ]


def test_the_windows_that_hold_some_time_are_found_from_its_end(filled):
    found = store_queries.windows_back_to(filled, START + timedelta(seconds=15), START + timedelta(seconds=40))

    assert [(one["window_start"] - START).total_seconds() for one in found] == [40, 30, 20, 10]


def test_the_totals_of_a_query_are_those_of_all_its_checkpoints(filled):
    for query, identity, late in (("windows", "a", 3), ("windows", "b", 4), ("readings", "c", 9)):
        progress = {"query": query, "query_id": identity, "batch_id": 0, "at": START}
        store_progress.write_progress(filled, progress, {"late": late})

    assert store_queries.totals(filled, "windows") == {"late": 7}
    assert store_queries.totals(filled, "router") == {}


def test_windows_between_two_instants_come_by_their_start(filled):
    found = store_queries.windows_between(filled, START + timedelta(seconds=10), START + timedelta(seconds=40))

    assert [(one["window_start"] - START).total_seconds() for one in found] == [10, 20, 30]


def test_dead_letters_are_listed_and_known_by_their_place(filled):
    places = [("sensor-data", 0, 1), ("sensor-data", 0, 4), ("sensor-data", 1, 1), ("sensor-data", 0, 3)]

    assert {one["offset"] for one in store_queries.dead_letters(filled)} == {1, 2, 3}
    assert set(store_queries.known_dead_letters(filled, places)) == {places[0], places[3]}


def test_documents_and_sensors_are_counted_and_listed(filled):
    assert store_queries.count(filled, "sensor_metrics") == 52
    assert [one["_id"] for one in store_queries.sensors(filled)] == [f"sensor_{n}" for n in range(4)]


def test_an_iteration_over_a_server_that_is_gone_is_an_outage():
    gone = Store("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", "iot")

    with pytest.raises(StoreUnavailable):
        list(store_queries.windows_between(gone, START, START))


def ask_and_write_everything(filled: Store) -> None:
    for _ in store_queries.readings_of_run(filled, RUN):
        pass
    list(store_queries.readings_of_sensor(filled, RUN, "sensor_2"))
    list(store_queries.readings_between(filled, START, START + timedelta(seconds=2)))
    list(store_queries.windows_between(filled, START, START + timedelta(seconds=20)))
    list(store_queries.windows_back_to(filled, START, START + timedelta(seconds=20)))
    list(store_columns.identities_of_run(filled, RUN))
    list(store_columns.measurements_between(filled, START, START + timedelta(seconds=2)))
    list(
        store_columns.measurements_between(
            filled, START, START + timedelta(seconds=2), [stored.readings(1)[0]["event_id"]]
        )
    )
    store_queries.totals(filled, "windows")
    list(store_queries.dead_letters(filled))
    list(store_queries.known_dead_letters(filled, [("sensor-data", 0, 1)]))
    list(store_queries.sensors(filled))
    store_queries.count(filled, "sensor_metrics")
    store_queries.count_readings(filled, RUN)
    alarm = store_queries.alarms(filled, 60)[0]
    store_alarms.acknowledge(filled, [alarm["_id"]], "ada", START)
    store_writes.write_readings(filled, stored.readings(20), STILL)
    store_writes.write_windows(filled, [stored.window(0)], STILL)
    store_alarms.write_alerts(filled, [stored.alert(50), stored.alert(100), stored.alert(150)], 60, STILL)


def test_no_question_and_no_write_reads_a_whole_collection_or_sorts_it(filled):
    done = explaining.profiled(filled, lambda: ask_and_write_everything(filled))

    asked = {(one["op"], one["ns"].partition(".")[2]) for one in done}
    assert {
        ("query", name) for name in ("sensor_metrics", "windowed_metrics", "dead_letters", "sensors", "alarms")
    } <= asked
    assert {("update", name) for name in ("sensors", "windowed_metrics", "alarms")} <= asked
    assert {("command", "sensor_metrics"), ("command", "alarms"), ("remove", "alarms")} <= asked
    explaining.require_indexes(filled, done)


def test_counting_an_alarms_alerts_reads_those_alone(filled):
    store_alarms.write_alerts(filled, [stored.alert(5000 + n, sensor=9) for n in range(300)], 60)
    database = filled.open()
    database.command("profile", 2)

    newest, *_ = store_queries.alarms(filled, 60, limit=1)

    database.command("profile", 0)
    [one] = database["system.profile"].find({"command.aggregate": "alarms"})
    assert newest["count"] == 300
    assert one["docsExamined"] < 310

"""The writes, against a real mongod."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise

import pytest
import stored
from harness import free_port
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import START, STILL, STORED_AT

from pipeline import store, store_writes
from pipeline.store import Store
from pipeline.store_faults import StoreError, StoreUnavailable
from pipeline.store_writes import Manner

# One database serves all examples: each begins by emptying it.
examples = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
LATER = Manner(batch=7, now=lambda: STORED_AT + timedelta(hours=1))


def dump(target: Store) -> dict:
    return stored.dump(target.uri, target.database)


def empty(target: Store) -> None:
    for name in target.open().list_collection_names():
        target.collection(name).delete_many({})


def parts(items: list, cuts: list[int]) -> list[list]:
    """The items cut into consecutive parts, some of which may be empty."""
    places = [0, *sorted(cut % (len(items) + 1) for cut in cuts), len(items)]
    return [items[a:b] for a, b in pairwise(places)]


# --- readings ---------------------------------------------------------------------------------------------------------


def test_readings_are_stored_and_each_sensors_last_one_is_kept(target):
    records = stored.readings(10, sensors=4)

    written = store_writes.write_readings(target, records, STILL)

    found = dump(target)
    assert (written.stored, written.known, written.refused) == (10, 0, [])
    assert [str(one["_id"].as_uuid()) for one in found["sensor_metrics"]] == [one["event_id"] for one in records]
    assert {one["_id"]: one["value"] for one in found["sensors"]} == {
        "sensor_0": records[8]["value"],
        "sensor_1": records[9]["value"],
        "sensor_2": records[6]["value"],
        "sensor_3": records[7]["value"],
    }


def test_the_same_readings_again_change_nothing_not_even_the_time_of_storing(target):
    records = stored.readings(20)
    store_writes.write_readings(target, records, STILL)
    before = dump(target)

    written = store_writes.write_readings(target, records, LATER)

    assert (written.stored, written.known) == (0, 20)
    assert dump(target) == before


def test_a_batch_that_was_stored_in_part_is_completed(target):
    records = stored.readings(20)
    store_writes.write_readings(target, records[3:11], STILL)

    written = store_writes.write_readings(target, records, STILL)

    assert (written.stored, written.known) == (12, 8)
    assert len(dump(target)["sensor_metrics"]) == 20


def test_a_reading_that_comes_twice_in_a_batch_is_stored_once(target):
    records = stored.readings(5)

    written = store_writes.write_readings(target, [*records, *records], Manner())

    assert (written.stored, written.known) == (5, 5)
    assert len(dump(target)["sensor_metrics"]) == 5


def test_an_older_reading_does_not_take_the_place_of_a_newer_one(target):
    newer, older = stored.readings(1)[0], stored.readings(1, run="000000000001", start=START - timedelta(hours=1))[0]
    store_writes.write_readings(target, [newer], STILL)
    before = dump(target)["sensors"]

    store_writes.write_readings(target, [older | {"value": 1.0, "location": "elsewhere"}], LATER)

    assert dump(target)["sensors"] == before


def test_all_of_a_newer_reading_takes_the_place_of_the_older_one(target):
    older, newer = stored.readings(2, sensors=1)
    store_writes.write_readings(target, [older], STILL)

    store_writes.write_readings(target, [newer | {"unit": None, "metadata": None, "value": -1.5}], LATER)

    [sensor] = dump(target)["sensors"]
    assert (sensor["value"], sensor["timestamp"]) == (-1.5, newer["timestamp"])
    assert sensor["stored_at"] == LATER.now()
    assert not {"unit", "metadata"} & sensor.keys()


def test_names_that_look_like_expressions_are_names(target):
    record = stored.readings(1)[0] | {"sensor_id": "$value", "sensor_type": "$$ROOT", "location": "$timestamp"}

    store_writes.write_readings(target, [record], STILL)

    [sensor] = dump(target)["sensors"]
    assert (sensor["_id"], sensor["sensor_type"], sensor["location"]) == ("$value", "$$ROOT", "$timestamp")


@examples
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 100), max_size=4), st.integers(1, 9))
def test_readings_are_the_same_in_whatever_order_and_parts_they_come(target, random, cuts, batch):
    records = stored.readings(15, sensors=3)
    # Sensors whose clocks stand still: several readings at one instant.
    records = [one | {"timestamp": START} if one["sensor_id"] == "sensor_1" else one for one in records]
    empty(target)
    store_writes.write_readings(target, records, STILL)
    expected = dump(target)
    empty(target)
    random.shuffle(records)

    for part in parts([*records, *records[:4]], cuts):
        store_writes.write_readings(target, part, Manner(batch=batch, now=lambda: STORED_AT))

    assert dump(target) == expected


def test_a_writer_holds_the_last_readings_of_so_many_sensors_and_no_more(target, monkeypatch):
    records = stored.readings(60, sensors=6)
    store_writes.write_readings(target, records, STILL)
    expected = dump(target)
    empty(target)
    monkeypatch.setattr(store_writes, "_SENSORS_HELD", 4)
    writer = store_writes.ReadingsWriter(target, STILL)

    writer.insert(records[:30])
    noted = {one["_id"] for one in dump(target)["sensors"]}
    writer.insert(records[30:])
    writer.finish()

    assert len(noted) == 6
    assert dump(target) == expected


def nested(levels: int) -> dict:
    value: dict = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sensor_type": 7}, "Document failed validation"),
        ({"metadata": {"text": "x" * 16_777_216}}, "too large"),
        ({"metadata": {"text": "x" * 17_000_000}}, "BSON"),
        ({"metadata": {"number": 2**64}}, "8-byte ints"),
        ({"metadata": {"a\0b": 1}}, "NULL byte"),
        ({"metadata": {"text": "\ud800"}}, "surrogates not allowed"),
        ({"metadata": nested(190)}, "180 levels"),
        ({"metadata": nested(400)}, "maximum nested object depth"),
        ({"metadata": nested(5000)}, "maximum recursion depth"),
        ({"value": "warm"}, "could not convert string to float"),
        ({"timestamp": None}, "'timestamp' is missing"),
        ({"event_id": "no uuid"}, "no UUID in canonical lower case"),
    ],
)
def test_a_reading_that_cannot_be_stored_is_handed_back_and_the_others_are_stored(target, changes, reason):
    records = stored.readings(9, sensors=9)
    records[4] |= changes

    written = store_writes.write_readings(target, records, Manner())

    [refused] = written.refused
    assert refused.record is records[4]
    assert reason in refused.reason
    assert written.stored == 8
    found = dump(target)
    assert len(found["sensor_metrics"]) == 8
    assert [one["_id"] for one in found["sensors"]] == [f"sensor_{n}" for n in range(9) if n != 4]


def test_metadata_of_any_shape_is_stored_as_it_is(target):
    metadata = {"$where": 1, "a.b": {"$set": 2}, "": 3, "list": [1, [2, {"x": None}]]}

    store_writes.write_readings(target, stored.readings(1, metadata=metadata), STILL)

    assert dump(target)["sensor_metrics"][0]["metadata"] == metadata


def test_a_refusal_that_is_no_documents_fault_is_an_error(target):
    target.collection("sensor_metrics").create_index("location", unique=True)

    with pytest.raises(StoreError, match=r"refuses to write to sensor_metrics: .*duplicate key"):
        store_writes.write_readings(target, stored.readings(3), STILL)


# --- windows and dead letters -----------------------------------------------------------------------------------------


def test_a_window_is_replaced_as_it_grows_and_keeps_the_time_of_its_first_storing(target):
    store_writes.write_windows(target, [stored.window(0, count=3), stored.window(10)], STILL)

    store_writes.write_windows(target, [stored.window(0, count=8)], LATER)

    first, second = dump(target)["windowed_metrics"]
    assert first == {
        "_id": "2026-03-01T12:00:00.000Z|temperature|warehouse-north",
        **stored.window(0, count=8),
        "stored_at": STORED_AT,
    }
    assert second["count"] == 3


def test_of_one_window_twice_in_a_batch_the_last_one_counts(target):
    written = store_writes.write_windows(target, [stored.window(0, count=3), stored.window(0, count=9)], STILL)

    assert written.stored == 1
    assert [one["count"] for one in dump(target)["windowed_metrics"]] == [9]


def test_a_window_that_cannot_be_stored_is_handed_back(target):
    records = [stored.window(0), stored.window(10) | {"std": "wide"}, stored.window(20) | {"window_start": None}]

    written = store_writes.write_windows(target, records, STILL)

    assert written.stored == 1
    assert {one.record["window_end"]: one.reason for one in written.refused} == {
        records[1]["window_end"]: "Document failed validation (code 121)",
        records[2]["window_end"]: "the field 'window_start' is missing",
    }


@examples
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 100), max_size=3), st.integers(1, 9))
def test_windows_and_dead_letters_are_the_same_in_whatever_order_and_parts_they_come(target, random, cuts, batch):
    windows = [stored.window(10 * n, sensor_type=kind) for n in range(6) for kind in ("temperature", "hum|idity")]
    letters = [stored.dead_letter(n, partition=n % 3) for n in range(12)]
    empty(target)
    store_writes.write_windows(target, windows, STILL)
    store_writes.write_dead_letters(target, letters, STILL)
    expected = dump(target)
    empty(target)
    random.shuffle(windows)
    random.shuffle(letters)
    manner = Manner(batch=batch, now=lambda: STORED_AT)

    for part in parts([*windows, *windows[:5]], cuts):
        store_writes.write_windows(target, part, manner)
    for part in parts([*letters, *letters[:5]], cuts):
        store_writes.write_dead_letters(target, part, manner)

    assert dump(target) == expected


def test_dead_letters_again_change_nothing(target):
    letters = [stored.dead_letter(1), stored.dead_letter(2, None), stored.dead_letter(3, b"\xff" * 5000)]
    store_writes.write_dead_letters(target, letters, STILL)
    before = dump(target)

    written = store_writes.write_dead_letters(target, letters, LATER)

    assert (written.stored, written.known) == (0, 3)
    assert dump(target) == before
    assert [one.get("value") for one in before["dead_letters"]] == [b"{oops", None, b"\xff" * 1024]


# --- connection -------------------------------------------------------------------------------------------------------


def test_no_server_is_one_line_within_ten_seconds():
    port = free_port()
    began = time.monotonic()

    with pytest.raises(StoreUnavailable) as caught:
        store.ensure(f"mongodb://ada:w0rd@127.0.0.1:{port}/", "iot")

    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert f"no MongoDB server answers at 127.0.0.1:{port}" in message
    assert "Connection refused" in message
    assert "--mongo-uri" in message
    assert "w0rd" not in message
    assert "\n" not in message


def test_a_client_is_made_once_a_process_and_uri(target):
    assert target.open().client is store.Store(target.uri, "another").open().client


def test_a_write_is_acknowledged_when_a_majority_has_it_in_its_journal(target, mongod):
    own = Store(f"{mongod.uri}/?w=1", target.database)

    assert target.collection("sensors").write_concern.document == {"j": True, "w": "majority"}
    # unless the address says otherwise
    assert own.collection("sensors").write_concern.document == {"j": True, "w": 1}

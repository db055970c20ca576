from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import bson
import pytest
import stored
from hypothesis import assume, given
from hypothesis import strategies as st
from stored import START, STORED_AT

from pipeline import store_documents
from pipeline.events import SensorReading

OPTIONAL = ("run", "sequence", "unit", "location", "status", "metadata")


@given(st.sets(st.sampled_from(OPTIONAL)))
def test_a_reading_that_arrived_makes_the_document_that_its_record_makes(missing):
    record = stored.readings(1)[0] | dict.fromkeys(missing)
    fields = {name: record.get(name) for name in OPTIONAL}
    moment = record["timestamp"]
    reading = SensorReading(
        event_id=record["event_id"],
        timestamp=moment.isoformat(),
        sensor_id=record["sensor_id"],
        sensor_type=record["sensor_type"],
        value=record["value"],
        **fields,
    )
    kafka_timestamp = round(1000 * record["kafka_timestamp"].timestamp())
    arrival = store_documents.Arrival(reading, moment, 7, record["partition"], record["offset"], kafka_timestamp)

    document = store_documents.arrived(arrival, store_documents.without_zone(STORED_AT))

    assert bson.decode(bson.encode(document)) == bson.decode(bson.encode(store_documents.reading(record, STORED_AT)))
    assert list(document)[-1] == "stored_at"
    assert document.keys().isdisjoint(missing)


def test_a_reading_keeps_its_fields_and_gains_the_time_of_storing():
    record = stored.readings(1, value=20)[0]

    document = store_documents.reading(record, STORED_AT)

    expected = {name: value for name, value in record.items() if name != "event_id"}
    identity = document.pop("_id")
    assert str(identity.as_uuid()) == record["event_id"]
    assert document == {**expected, "stored_at": STORED_AT}
    assert isinstance(document["value"], float)


def test_fields_without_a_value_are_left_out():
    optional = {"unit", "location", "metadata", "run", "sequence", "status"}
    record = stored.readings(1)[0] | dict.fromkeys(optional)

    document = store_documents.reading(record, STORED_AT)

    assert not optional & document.keys()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"event_id": "7"}, ValueError),
        ({"event_id": None}, TypeError),
        ({"timestamp": None}, KeyError),
        ({"value": None}, KeyError),
        ({"value": "warm"}, ValueError),
        ({"timestamp": datetime(2026, 3, 1)}, ValueError),  # noqa: DTZ001
    ],
)
def test_a_record_that_is_no_reading_is_refused(changes, error):
    with pytest.raises(error):
        store_documents.reading(stored.readings(1, **changes)[0], STORED_AT)


def test_instants_are_cut_to_milliseconds_in_every_form():
    moment = START + timedelta(microseconds=123_999)

    elsewhere = moment.astimezone(timezone(timedelta(hours=-3)))

    assert store_documents.instant(moment) == START + timedelta(milliseconds=123)
    assert store_documents.instant(elsewhere) == START + timedelta(milliseconds=123)
    assert store_documents.instant(1_772_366_400_123) == datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)


@given(st.datetimes(timezones=st.timezones()))
def test_an_instant_without_its_zone_is_stored_as_the_same(moment):
    # Some zones reach beyond the years that there are.
    assume(1 < moment.year < 9999)

    as_it_is, without = ({"at": one} for one in (moment, store_documents.without_zone(moment)))

    assert bson.encode(as_it_is) == bson.encode(without)


def test_a_sensors_document_takes_of_the_metadata_only_what_the_contract_knows():
    metadata = {"sensor_model": "MODEL_02", "battery_level": {"deep": [1]}, "firmware": "9"}
    reading = store_documents.reading(stored.readings(1, metadata=metadata)[0], STORED_AT)

    sensor = store_documents.sensor(reading)

    assert sensor["_id"] == "sensor_0"
    assert sensor["event_id"] == reading["_id"]
    assert sensor["metadata"] == {"sensor_model": "MODEL_02"}


def test_a_dead_letter_keeps_the_first_kibibyte_and_tells_the_size():
    document = store_documents.dead_letter(stored.dead_letter(5, bytearray(b"x" * 3000)), STORED_AT)

    assert (document["_id"], document["value"], document["size"]) == ("sensor-data-0-5", b"x" * 1024, 3000)


def test_a_dead_letter_without_a_value_has_none():
    document = store_documents.dead_letter(stored.dead_letter(5, None, key=None), STORED_AT)

    assert not {"value", "size", "key"} & document.keys()


def test_an_alert_of_an_unknown_priority_is_refused():
    with pytest.raises(ValueError, match="priority 'urgent' is none of low, normal, high, critical"):
        store_documents.alert(stored.alert(0, priority="urgent"), STORED_AT)

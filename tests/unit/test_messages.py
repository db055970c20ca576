"""Readings as messages: the contract's fields, ids that can be decoded, and malformations that are refused."""

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from fleets import START, simulated_fleet, take
from hypothesis import given
from hypothesis import strategies as st

from pipeline import event_ids
from pipeline.events import RefusedMessage, SensorReading, decode_reading, encode
from pipeline.faults import MALFORMATIONS, Fault, FaultRates
from pipeline.fleet import Fleet, Group
from pipeline.messages import MessageMaker

RUN = "00000000002a"


def messages(fleet, count):
    return MessageMaker(fleet, RUN, START).make(take(fleet, count))


def test_a_message_has_every_field_of_the_contract_in_its_order():
    fleet = simulated_fleet(1000)
    readings = take(fleet, 1500)
    message = messages(fleet, 1500)[1042]
    document = json.loads(message.payload)
    assert list(document) == [
        "schema_version",
        "event_id",
        "run",
        "sequence",
        "timestamp",
        "sensor_id",
        "sensor_type",
        "value",
        "unit",
        "location",
        "status",
        "metadata",
    ]
    assert message.key == b"sensor_0042"
    assert event_ids.decode(document["event_id"]) == (RUN, 1, 42)
    assert (document["run"], document["sequence"], document["sensor_id"]) == (RUN, 1, "sensor_0042")
    assert document["value"] == readings.value[1042]
    assert document["unit"] == fleet.catalog.unit(document["sensor_type"])
    assert document["location"] == fleet.locations()[42]
    assert document["metadata"]["sensor_model"] == "MODEL_03"
    assert 20 <= document["metadata"]["battery_level"] <= 100


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(("normal", "random-walk", "sine")),
    st.floats(-1e9, 1e9),
    st.floats(1e-9, 1e9),
    st.text(min_size=1, max_size=20),
)
def test_payloads_are_what_the_codec_writes(seed, distribution, mean, std, place):
    fleet = replace(
        simulated_fleet(7, anomaly_rate=0.3),
        groups=(
            Group(size=3, types=("temperature", "unheard-of"), locations=(place, 'a "b"\\'), type_per_message=True),
            Group(4, ("humidity",), ("€",), distribution=(distribution,) * 4, mean=(mean,) * 4, std=(std,) * 4),
        ),
        seed=seed,
    )
    for message in messages(fleet, 50):
        reading = msgspec.json.decode(message.payload)
        assert message.payload == msgspec.json.encode(reading)
        typed = {name: reading.get(name) for name in SensorReading.__struct_fields__}
        assert list(typed) == list(reading)
        if reading["value"] is not None:
            assert message.payload == encode(SensorReading(**typed))


def test_timestamps_are_the_scheduled_instants_to_the_microsecond():
    fleet = simulated_fleet(100, rate=300)
    for number, message in enumerate(messages(fleet, 1000)):
        expected = START + timedelta(microseconds=round(number / 300 * 1e6))
        assert decode_reading(message.payload).event_time == expected


def test_every_good_message_satisfies_the_contract_and_says_whether_it_is_an_anomaly():
    fleet = simulated_fleet(60, faults=FaultRates(late=0.1, duplicate=0.1), anomaly_rate=0.2)
    for message in messages(fleet, 2000):
        reading = decode_reading(message.payload)
        assert reading.status == ("anomaly" if message.anomaly else "normal")


def test_late_readings_have_a_timestamp_in_the_past():
    fleet = simulated_fleet(60, rate=1000, faults=FaultRates(late=0.25, late_by=120))
    for number, message in enumerate(messages(fleet, 2000)):
        late = timedelta(seconds=120 if message.fault == Fault.LATE else 0)
        due = timedelta(microseconds=round(number / 1000 * 1e6))
        assert decode_reading(message.payload).event_time == START + due - late


@pytest.mark.parametrize("number", range(len(MALFORMATIONS)))
def test_every_malformation_is_refused(number):
    payload = messages(simulated_fleet(), 1)[0].payload
    decode_reading(payload)
    with pytest.raises(RefusedMessage):
        decode_reading(MALFORMATIONS[number](payload))


def test_malformed_messages_are_refused_and_the_others_are_not():
    fleet = simulated_fleet(faults=FaultRates(malformed=0.3))
    for message in messages(fleet, 3000):
        if message.fault == Fault.MALFORMED:
            with pytest.raises(RefusedMessage):
                decode_reading(message.payload)
        else:
            decode_reading(message.payload)


def test_seed_run_and_start_give_the_same_bytes():
    rates = FaultRates(0.1, 0.1, 0.1, 0.1)
    assert messages(simulated_fleet(faults=rates), 3000) == messages(simulated_fleet(faults=rates), 3000)


def test_an_unknown_type_has_no_unit():

    fleet = simulated_fleet()
    custom = Group(60, ("flow",), ("office-lab",), False, ("constant",) * 60, (1.0,) * 60, (0.0,) * 60)
    unknown = Fleet((custom,), fleet.schedule, fleet.catalog, 1)
    reading = decode_reading(messages(unknown, 1)[0].payload)
    assert (reading.sensor_type, reading.unit, reading.value) == ("flow", None, 1.0)

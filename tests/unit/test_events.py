"""The wire contract: what is accepted, what is refused and with which code, and that nothing is lost on the way."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nearly_readings import FIELD_NAMES, FLOATS, JSON, NAMES, NEARLY_READINGS, TEXT, WRONG_OR_RIGHT, as_message

from pipeline import refusals
from pipeline.events import (
    Alert,
    DeadLetter,
    Refusal,
    RefusedMessage,
    SensorReading,
    decode_alert,
    decode_reading,
    decode_readings,
    encode,
    parse_dead_letter,
)
from tests import messages
from tests.messages import CASES, KAFKA_TIMESTAMP_MS, MAX_AHEAD, Case

ZONES = st.integers(-18 * 60, 18 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMESTAMPS = st.datetimes(datetime(2000, 1, 3), datetime(9000, 1, 1), timezones=ZONES).map(datetime.isoformat)  # noqa: DTZ001
READINGS = st.builds(
    SensorReading,
    event_id=st.uuids().map(str),
    run=st.none() | NAMES,
    sequence=st.none() | st.integers(0, 2**63 - 1),
    timestamp=TIMESTAMPS,
    sensor_id=NAMES,
    sensor_type=NAMES,
    value=FLOATS,
    unit=st.none() | NAMES,
    location=st.none() | NAMES,
    status=st.sampled_from([None, "normal", "anomaly"]),
    metadata=st.none() | st.dictionaries(TEXT, JSON, max_size=4),
)
ALERTS = st.builds(
    Alert,
    alert_id=NAMES,
    alert_type=NAMES,
    priority=st.sampled_from(["low", "normal", "high", "critical"]),
    sensor_id=NAMES,
    sensor_type=NAMES,
    location=st.none() | NAMES,
    value=FLOATS,
    threshold=FLOATS,
    unit=st.none() | NAMES,
    message=TEXT,
    timestamp=TIMESTAMPS,
    detected_at=TIMESTAMPS,
)
DEAD_LETTERS = st.builds(
    DeadLetter,
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    original_topic=TEXT,
    original_partition=st.integers(0, 2**31 - 1),
    original_offset=st.integers(0, 2**63 - 1),
    error=TEXT,
    retry_count=st.integers(0, 1000),
    failed_at=TIMESTAMPS,
    original_size=st.none() | st.integers(0, 2**31),
    original_key_size=st.none() | st.integers(0, 2**31),
)


def refusal(decode: Callable[[], object]) -> tuple[str, str] | None:
    """The code and sentence of a refusal; None for an accepted message."""
    try:
        decode()
    except RefusedMessage as refused:
        return refused.code, refused.sentence
    return None


def reason(payload: bytes | None) -> tuple[str, str] | None:
    return refusal(lambda: decode_reading(payload, kafka_timestamp_ms=KAFKA_TIMESTAMP_MS, max_ahead=MAX_AHEAD))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_message_of_the_table_gets_its_verdict(case: Case):
    found = reason(case.payload)

    assert (found and found[0]) == case.refusal
    assert found is None or len(found[1]) < 200


def test_the_table_names_every_code_and_no_case_twice():
    # What MongoDB refuses is no matter of the message alone.
    assert {case.refusal for case in CASES} == {None, *Refusal} - {Refusal.NOT_STORABLE}
    assert len({case.name for case in CASES}) == len(CASES)


@given(READINGS)
def test_a_reading_survives_the_wire(reading):
    assert decode_reading(encode(reading)) == reading


@given(READINGS)
def test_a_reading_written_by_another_json_library_is_the_same(reading):
    fields = {name: getattr(reading, name) for name in reading.__struct_fields__}

    assert decode_reading(json.dumps(fields, indent=1).encode()) == reading


@given(ALERTS)
def test_an_alert_survives_the_wire(alert):
    assert decode_alert(encode(alert)) == alert


@given(DEAD_LETTERS)
def test_a_dead_letter_survives_the_headers(letter):
    assert parse_dead_letter(letter.key, letter.value, letter.headers()) == letter


ANY_BYTES = st.none() | st.binary() | TEXT.map(str.encode) | JSON.map(lambda value: json.dumps(value).encode())


@given(ANY_BYTES)
def test_any_bytes_are_refused_as_a_reading_and_as_an_alert_with_a_code(payload):
    for found in (reason(payload), refusal(lambda: decode_alert(payload))):
        assert found is not None
        assert found[0] in set(Refusal)


@given(st.lists(st.tuples(st.sampled_from(["original_topic", "original_partition", "x"]), st.binary() | TEXT)))
def test_headers_that_are_no_dead_letters_are_refused(headers):
    with pytest.raises(RefusedMessage, match="no dead letter"):
        parse_dead_letter(None, None, headers)


@given(NEARLY_READINGS)
def test_what_the_fast_decoder_accepts_keeps_the_contract_in_plain_python(fields):
    payload = as_message(fields)
    judged = refusal(lambda: refusals.judge(payload.decode()))
    decoded = refusal(lambda: decode_reading(payload))

    if judged is None and decoded is None:
        reading, document = decode_reading(payload), refusals.judge(payload.decode())
        absent = {**dict.fromkeys(reading.__struct_fields__), "schema_version": 1}
        known = {name: value for name, value in document.items() if name in absent}
        assert {name: getattr(reading, name) for name in absent} == {**absent, **known}
    elif judged is None:
        assert decoded[0] == Refusal.TIMESTAMP_TOO_OLD
    else:
        assert decoded == judged


@given(st.dictionaries(st.sampled_from(FIELD_NAMES), WRONG_OR_RIGHT, max_size=4), st.randoms(use_true_random=False))
def test_the_reason_does_not_depend_on_the_order_of_the_fields(changes, random):
    fields = list({**messages.OPTIONAL, **messages.REQUIRED, **changes}.items())
    shuffled = random.sample(fields, len(fields))

    first, second = reason(as_message(fields)), reason(as_message(shuffled))

    # What is no JSON at all is refused where the parser stops.
    assert first == second or first[0] == second[0] == Refusal.NOT_JSON


def test_the_limit_ahead_is_exact_where_floats_are_not():
    for microsecond in range(0, 1_000_000, 997):
        record = datetime(2026, 1, 31, 8, 0, 0, microsecond // 1000 * 1000, UTC)
        record_ms = KAFKA_TIMESTAMP_MS + microsecond // 1000
        last = record + timedelta(seconds=10)
        late = last + timedelta(microseconds=1)

        at_the_limit = messages.message(timestamp=f'"{last.isoformat()}"')
        beyond = messages.message(timestamp=f'"{late.isoformat()}"')

        assert decode_reading(at_the_limit, kafka_timestamp_ms=record_ms, max_ahead=10).event_time == last
        with pytest.raises(RefusedMessage, match="timestamp_ahead"):
            decode_reading(beyond, kafka_timestamp_ms=record_ms, max_ahead=10)


def test_how_far_ahead_is_not_judged_without_a_kafka_timestamp():
    # The second one lies beyond the last instant that a datetime has in UTC.
    for last in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00"):
        assert decode_reading(messages.message(timestamp=f'"{last}"')).value == 21.5


@given(
    st.lists(
        st.tuples(
            st.sampled_from([case.payload for case in CASES]),
            st.sampled_from([None, 0, KAFKA_TIMESTAMP_MS - 3_600_000, KAFKA_TIMESTAMP_MS]),
        )
    )
)
def test_many_are_judged_as_each_by_itself(records):
    judged = decode_readings(iter(records), MAX_AHEAD)

    for (payload, time), found in zip(records, judged, strict=True):
        alone = refusal(lambda p=payload, t=time: decode_reading(p, kafka_timestamp_ms=t, max_ahead=MAX_AHEAD))
        if isinstance(found, RefusedMessage):
            assert (found.code, found.sentence) == alone
        else:
            assert alone is None
            assert found == (decode_reading(payload), found[0].event_time)


def test_a_sentence_names_the_field_what_it_is_and_what_it_must_be():
    assert reason(messages.message(value='"21.5"')) == ("bad_field", 'value is "21.5"; it must be a number')
    assert reason(messages.message(event_id="{}")) == (
        "bad_field",
        "event_id is an object; it must be a UUID in canonical lower case",
    )
    assert reason(messages.message(without=("sensor_id",))) == ("missing_field", "sensor_id is missing")
    assert reason(messages.message(timestamp='"2026-01-31T08:00:12.5Z"')) == (
        "timestamp_ahead",
        "timestamp 2026-01-31T08:00:12.5Z lies 12.5 s after the record's Kafka timestamp; 10 s are allowed",
    )


def test_an_alert_with_a_wrong_field_is_refused_by_that_field():
    with pytest.raises(RefusedMessage, match=r"bad_field: no alert: .*priority"):
        decode_alert(b'{"alert_id":"a","alert_type":"b","priority":"urgent"}')


def test_event_ids_of_the_table_are_uuids():
    assert str(uuid.UUID(messages.EVENT_ID)) == messages.EVENT_ID

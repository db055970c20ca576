"""Repairs of refused messages: what is safe is mended, everything else is refused as before."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import CASES, EVENT_ID, KAFKA_TIMESTAMP_MS, MAX_AHEAD, OPTIONAL, REQUIRED, WHOLE, message

from pipeline.events import RefusedMessage, decode_reading
from pipeline.repair import repair

TIMESTAMP = "2026-01-31T08:00:00.123Z"


def repaired(payload):
    return repair(payload, kafka_timestamp_ms=KAFKA_TIMESTAMP_MS, max_ahead=MAX_AHEAD)


def refusal(payload, judge=repaired):
    try:
        judge(payload)
    except RefusedMessage as refused:
        return refused.code
    return None


# What stands in the field, and what it becomes.
MENDED = [
    ("event_id", f'"{EVENT_ID.upper()}"', EVENT_ID),
    ("event_id", f'"{EVENT_ID.replace("-", "")}"', EVENT_ID),
    ("event_id", f'"{{{EVENT_ID}}}"', EVENT_ID),
    ("event_id", f'"urn:uuid:{EVENT_ID}"', EVENT_ID),
    ("event_id", f'"URN:UUID:{EVENT_ID.upper()}"', EVENT_ID),
    ("event_id", f'" {EVENT_ID}\\r\\n"', EVENT_ID),
    ("value", '"21.5"', 21.5),
    ("value", '" -40 "', -40),
    ("value", '"1e3"', 1000.0),
    ("value", '"0"', 0),
    ("sequence", '"7"', 7),
    ("sequence", "7.0", 7),
    ("sequence", '"7.00"', 7),
    ("sequence", '"9223372036854775807"', 2**63 - 1),
    ("schema_version", '"1"', 1),
    ("schema_version", "1.0", 1),
    ("timestamp", '"2026-01-31t08:00:00.123z"', TIMESTAMP),
    ("timestamp", '"2026-01-31 08:00:00.123Z"', TIMESTAMP),
    ("timestamp", '"2026-01-31 08:00:00.123 +0000"', "2026-01-31T08:00:00.123+00:00"),
    ("timestamp", '"2026-01-31T09:00:00+0100"', "2026-01-31T09:00:00+01:00"),
    ("timestamp", '"2026-01-31T09:00:00+01"', "2026-01-31T09:00:00+01:00"),
    ("timestamp", '"2026-01-31 03:00:00-05:00"', "2026-01-31T03:00:00-05:00"),
    ("timestamp", '"2026-01-31T08:00:00,123Z"', TIMESTAMP),
    ("timestamp", f'" {TIMESTAMP}\\n"', TIMESTAMP),
]


@pytest.mark.parametrize(("field", "text", "right"), MENDED, ids=str)
def test_a_field_whose_meaning_is_beyond_doubt_is_mended(field, text, right):
    broken = message(**{field: text}, extra='{"kept":[1.5,null,"ü"]}')

    mended = repaired(broken)

    assert refusal(broken, decode_reading) is not None
    assert mended.repairs == (field,)
    assert json.loads(mended.payload) == {**json.loads(broken), field: right}
    assert getattr(decode_reading(mended.payload), field) == right


@pytest.mark.parametrize(
    "around",
    [
        (b"\xef\xbb\xbf", b""),
        (b"", b"\x00"),
        (b"\x0c", b"\x0b"),
        (b"\xc2\xa0", b"\xc2\xa0"),
        (b"\xef\xbb\xbf \r\n", b"\x00\x00\n"),
    ],
)
def test_what_stands_around_the_json_text_is_taken_away_and_the_text_is_left_alone(around):
    mended = repaired(around[0] + WHOLE + around[1])

    assert mended.payload == WHOLE
    assert mended.repairs == ("around the JSON text",)


def test_several_faults_are_mended_together():
    broken = message(value='"21.5"', event_id=f'"{EVENT_ID.upper()}"', timestamp='"2026-01-31 08:00:00z"')

    mended = repaired(b"\xef\xbb\xbf" + broken)

    assert mended.repairs == ("event_id", "timestamp", "value", "around the JSON text")
    assert decode_reading(mended.payload).value == 21.5


def test_a_message_that_keeps_the_contract_comes_back_byte_for_byte():
    payload = b" " + WHOLE.replace(b",", b" , ") + b"\n"

    assert repaired(payload) == repair(payload, kafka_timestamp_ms=KAFKA_TIMESTAMP_MS, max_ahead=MAX_AHEAD)
    assert repaired(payload).payload == payload
    assert repaired(payload).repairs == ()


def test_a_timestamp_that_lay_ahead_is_fine_when_its_time_has_come():
    payload = message(timestamp='"2026-01-31T09:00:00Z"')

    assert refusal(payload) == "timestamp_ahead"
    assert repair(payload, kafka_timestamp_ms=KAFKA_TIMESTAMP_MS + 3_600_000, max_ahead=MAX_AHEAD).payload == payload


@pytest.mark.parametrize(
    "changes",
    [
        # Made up would be: a value, an id, a zone, a date.
        {"value": '"NaN"'},
        {"value": '"high"'},
        {"value": '""'},
        {"value": '"21,5"'},
        {"value": '"1_000"'},
        {"value": '"0x1f"'},
        {"value": '"٢"'},
        {"value": '"1e400"'},
        {"value": '"21.5 °C"'},
        {"value": '"+5"'},
        {"value": "true"},
        {"value": "null"},
        {"event_id": "null"},
        {"event_id": '"7"'},
        {"event_id": f'"{EVENT_ID[:-1]}"'},
        {"event_id": f'"{EVENT_ID.replace("-", "", 1)}"'},
        {"event_id": f'"{{{EVENT_ID}"'},
        {"timestamp": '"2026-01-31T08:00:00"'},
        {"timestamp": '"2026-01-31"'},
        {"timestamp": '"now"'},
        {"timestamp": "1769846400"},
        {"timestamp": '"2026-02-30 08:00:00Z"'},
        {"timestamp": '"2026-01-31 24:00:00Z"'},
        {"timestamp": '"2026-01-31 08:00:60Z"'},
        {"timestamp": '"2026-01-31 08:00:00+1900"'},
        {"timestamp": '"1999-12-31 23:00:00z"'},
        {"sequence": "7.5"},
        {"sequence": '"-1"'},
        {"sequence": '"9223372036854775808"'},
        {"sequence": "1e17"},
        {"sequence": "true"},
        {"schema_version": '"2"'},
        {"schema_version": "true"},
        {"sensor_id": "42"},
        {"sensor_id": '"a\\n"'},
        {"sensor_type": '""'},
        {"status": '"Normal"'},
        {"metadata": '"{}"'},
        {"value": '"21.5"', "sensor_id": "null"},
        {"value": '"21.5"', "extra": "1e400"},
    ],
    ids=str,
)
def test_nothing_is_made_up_cut_or_left_out(changes):
    assert refusal(message(**changes)) is not None


@pytest.mark.parametrize("case", [case for case in CASES if case.refusal], ids=lambda case: case.name)
def test_of_the_table_only_what_the_module_names_is_repaired(case):
    try:
        mended = repaired(case.payload)
    except RefusedMessage:
        return
    assert set(mended.repairs) <= {
        "event_id",
        "value",
        "sequence",
        "schema_version",
        "timestamp",
        "around the JSON text",
    }
    before = json.loads(case.payload.decode().strip("\ufeff\0 \x0c\xa0"))
    after = json.loads(mended.payload)
    changed = {name for name in before if repr(before[name]) != repr(after[name])}
    assert before.keys() == after.keys()
    assert changed == set(mended.repairs) - {"around the JSON text"}


FIELDS = st.dictionaries(
    st.sampled_from([*REQUIRED, *OPTIONAL]),
    st.sampled_from([text for _, text, _ in MENDED])
    | st.text(max_size=30).map(json.dumps)
    | st.floats().map(json.dumps),
    max_size=3,
)


@given(FIELDS)
def test_whatever_comes_out_keeps_the_contract_and_needs_no_second_repair(changes):
    payload = message(**changes)
    if refusal(payload) is None:
        mended = repaired(payload)

        assert repaired(mended.payload).repairs == ()
        assert decode_reading(mended.payload, kafka_timestamp_ms=KAFKA_TIMESTAMP_MS, max_ahead=MAX_AHEAD)


@given(st.none() | st.binary())
def test_any_bytes_are_repaired_or_refused(payload):
    assert refusal(payload) is not None

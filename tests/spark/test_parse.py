"""Spark judges messages as the Python codec does: one table, messages made at random, and the limits of time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from fleets import START, simulated_fleet, take
from hypothesis import given
from hypothesis import strategies as st
from kafka_records import (
    PARTITION,
    TOPIC,
    as_records,
    differences,
    verdict_of_python,
    verdicts_of_spark,
)
from nearly_readings import IN_BATCHES, NEARLY_READINGS, as_message, mutated

from pipeline import transforms
from pipeline.faults import MALFORMATIONS
from pipeline.messages import MessageMaker
from tests import messages
from tests.messages import CASES, KAFKA_TIMESTAMP_MS, MAX_AHEAD, WHOLE

# The first job starts Spark, and much code is made and compiled for it.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def verdicts(spark):
    """What Spark says of the table, by the name of the case."""
    found = verdicts_of_spark(as_records(spark, [case.payload for case in CASES]))
    return {case.name: verdict for case, verdict in zip(CASES, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_of_the_table_gets_its_verdict_and_its_fields(case, verdicts):
    code, fields = verdicts[case.name]

    assert code == case.refusal
    assert repr((code, fields)) == repr(verdict_of_python(case.payload))


def judged_alike(spark, payloads, timestamps_ms=None, max_ahead=MAX_AHEAD) -> list[str]:
    """The messages that Spark and Python judge differently."""
    clocks = timestamps_ms or [KAFKA_TIMESTAMP_MS] * len(payloads)
    python = [verdict_of_python(one, ms, max_ahead) for one, ms in zip(payloads, clocks, strict=True)]
    return differences(payloads, verdicts_of_spark(as_records(spark, payloads, timestamps_ms), max_ahead), python)


@IN_BATCHES
@given(st.integers(0, 2**64))
def test_messages_with_bytes_flipped_cut_and_repeated_are_judged_alike(spark, seed):
    rng = random.Random(seed)

    assert judged_alike(spark, [mutated(rng) for _ in range(2000)]) == []


@IN_BATCHES
@given(st.lists(NEARLY_READINGS.map(as_message), min_size=80, max_size=80))
def test_messages_with_fields_of_odd_json_are_judged_alike(spark, payloads):
    assert judged_alike(spark, payloads) == []


def test_what_the_simulator_sends_and_every_malformation_of_it_are_judged_alike(spark):
    fleet = simulated_fleet(60)
    start_ms = round(START.timestamp() * 1000)
    made = [one.payload for one in MessageMaker(fleet, "00000000002a", START).make(take(fleet, 600))]
    broken = [change(payload) for payload in made[:20] for change in MALFORMATIONS]
    payloads = made + broken

    assert judged_alike(spark, payloads, [start_ms + 60_000] * len(payloads)) == []
    assert {verdict_of_python(one, start_ms + 60_000)[0] for one in made} == {None}


@pytest.mark.parametrize("max_ahead", [0, 0.0005, 10])
def test_the_limit_ahead_is_exact_to_the_microsecond(spark, max_ahead):
    payloads, clocks = [], []
    for millisecond in range(0, 1000, 37):
        record = datetime(2026, 1, 31, 8, 0, 0, millisecond * 1000, UTC)
        for beyond in (-1000, -1, 0, 1, 1000):
            moment = record + timedelta(seconds=max_ahead, microseconds=beyond)
            payloads.append(messages.message(timestamp=f'"{moment.isoformat()}"'))
            clocks.append(KAFKA_TIMESTAMP_MS + millisecond)

    assert judged_alike(spark, payloads, clocks, max_ahead) == []
    codes = [verdict_of_python(one, ms, max_ahead)[0] for one, ms in zip(payloads, clocks, strict=True)]
    assert codes == [None, None, None, "timestamp_ahead", "timestamp_ahead"] * (len(payloads) // 5)


def test_the_year_2000_begins_in_utc_whatever_the_zone_of_session_and_message(spark):
    last = ["1999-12-31T23:59:59.999999Z", "2000-01-01T05:29:59.999999+05:30", "1999-12-31T20:29:59.999999-03:30"]
    first = ["2000-01-01T00:00:00Z", "2000-01-01T05:30:00+05:30", "1999-12-31T20:30:00-03:30"]
    payloads = [messages.message(timestamp=f'"{one}"') for one in last + first]

    found = verdicts_of_spark(as_records(spark, payloads))

    assert [code for code, _ in found] == ["timestamp_too_old"] * 3 + [None] * 3
    assert {fields["micros"] for _, fields in found[3:]} == {946_684_800_000_000}


def test_parse_keeps_the_records_columns_and_adds_three(spark):
    records = as_records(spark, [WHOLE, b"no"])

    parsed = transforms.parse(records, MAX_AHEAD)

    assert parsed.columns == [*records.columns, "reading", "refusal_code", "refusal_sentence"]
    good, bad = parsed.orderBy("offset").collect()
    assert (good.value, good.refusal_code, good.refusal_sentence) == (WHOLE, None, None)
    assert (bad.value, bad.reading, bad.refusal_code) == (b"no", None, "not_json")
    assert bad.refusal_sentence == 'not one JSON object: "no"'


def test_a_refusals_sentence_is_short_and_printable(spark):
    parsed = transforms.parse(as_records(spark, [case.payload for case in CASES]), MAX_AHEAD)

    sentences = [row[0] for row in parsed.where("refusal_code is not null").select("refusal_sentence").collect()]

    assert len(sentences) == sum(case.refusal is not None for case in CASES)
    assert max(map(len, sentences)) < 200
    assert [one for one in sentences if not one.isprintable()] == []


def test_records_are_what_pythons_tasks_need(spark):
    [first, second] = transforms.records(as_records(spark, [WHOLE, None])).orderBy("offset").collect()

    assert tuple(first) == (TOPIC, PARTITION, 0, b"0", WHOLE, KAFKA_TIMESTAMP_MS, 0)
    assert tuple(second) == (TOPIC, PARTITION, 1, b"1", None, KAFKA_TIMESTAMP_MS, 0)
    assert first.__fields__ == ["topic", "partition", "offset", "key", "value", "kafka_timestamp", "retry_count"]


def test_a_replayed_message_tells_how_often_it_was_sent_back(spark):
    headers = [
        None,
        [],
        [("retry_count", b"2")],
        [("other", b"9"), ("retry_count", b"1"), ("retry_count", b"3")],
        [("retry_count", b"often")],
        [("retry_count", b"-1")],
        [("retry_count", None)],
    ]
    rows = spark.createDataFrame(
        list(enumerate(headers)), "offset bigint, headers array<struct<key:string,value:binary>>"
    )
    records = as_records(spark, [b"bad"] * len(headers)).join(rows, "offset")

    found = transforms.records(records).orderBy("offset").collect()

    assert [row.retry_count for row in found] == [0, 0, 2, 3, 0, 0, 0]

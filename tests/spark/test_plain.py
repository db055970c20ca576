"""The router is spared what it would write nothing for, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from fleets import START, simulated_fleet, take
from hypothesis import given
from hypothesis import strategies as st
from kafka_records import as_records
from nearly_readings import IN_BATCHES, NEARLY_READINGS, as_message, mutated

from pipeline import rules
from pipeline.events import RefusedMessage, decode_reading
from pipeline.messages import MessageMaker
from pipeline.rules import Rule
from pipeline.transforms_plain import noteworthy
from tests import messages
from tests.messages import CASES, KAFKA_TIMESTAMP_MS, MAX_AHEAD, WHOLE

# The first job starts Spark, and much code is made and compiled for it.
pytestmark = pytest.mark.timeout(900)

SOME_RULES = (*rules.load(None), Rule("warm", "temperature", "low", above=21.5, below=2.0))


def is_noteworthy(payload: bytes | None, kafka_timestamp_ms: int = KAFKA_TIMESTAMP_MS) -> bool:
    """Whether a record makes a dead letter or an alert."""
    try:
        reading = decode_reading(payload, kafka_timestamp_ms=kafka_timestamp_ms, max_ahead=MAX_AHEAD)
    except RefusedMessage:
        return True
    return bool(rules.alerts(SOME_RULES, reading, "2026-01-31T08:00:01Z"))


def kept(spark, payloads: Sequence[bytes | None], timestamps_ms: Sequence[int] | None = None) -> set[int]:
    """The places of the records that the router has to look at."""
    records = as_records(spark, payloads, timestamps_ms)
    found = noteworthy(records, SOME_RULES, MAX_AHEAD)
    assert found.columns == records.columns
    return {row.offset for row in found.select("offset").collect()}


def wrongly_left_out(spark, payloads: Sequence[bytes | None]) -> list[bytes | None]:
    """The records that make something, and that the router would not be shown."""
    found = kept(spark, payloads)
    return [one for place, one in enumerate(payloads) if place not in found and is_noteworthy(one)]


def test_no_message_of_the_table_is_left_out_wrongly(spark):
    assert wrongly_left_out(spark, [case.payload for case in CASES]) == []


def test_values_at_and_beside_the_limits_of_rules_and_of_time(spark):
    values = [messages.message(value=repr(one)) for one in (2.0, 1.9999999999999998, 21.5, 21.500000000000004, -0.0)]
    beside = [
        messages.message(timestamp=f'"2026-01-31T08:00:{second}Z"')
        for second in ("09.999999", "10", "10.000001", "10.0000009")
    ]
    years = [
        messages.message(timestamp=f'"{one}"') for one in ("1999-12-31T23:59:59.999999Z", "2000-01-01T01:00:00+01:00")
    ]
    # No rule watches its type.
    beyond = [messages.message(sensor_type='"flow"', value=one) for one in ("1e308", "1e309", "-1e400")]
    payloads = [*values, *beside, *years, *beyond]

    found = kept(spark, payloads)

    assert found == {place for place, one in enumerate(payloads) if is_noteworthy(one)}
    assert 0 < len(found) < len(payloads)


def test_what_reads_like_an_extract_is_no_plain_reading(spark):
    forged = [b"=21\n2026-01-31T08:00:00Z\ntemperature", b"=21\n2026-01-31T08:00:00Z\ntemperature" + WHOLE, None, b""]

    assert kept(spark, forged) == {0, 1, 2, 3}


def test_of_what_the_simulator_sends_just_the_noteworthy_is_kept(spark):
    fleet = simulated_fleet(60)
    payloads = [one.payload for one in MessageMaker(fleet, "00000000002a", START).make(take(fleet, 600))]
    clock = round(START.timestamp() * 1000) + 60_000

    found = kept(spark, payloads, [clock] * len(payloads))

    assert found == {place for place, one in enumerate(payloads) if is_noteworthy(one, clock)}
    assert 0 < len(found) < len(payloads)


@IN_BATCHES
@given(st.integers(0, 2**64), st.lists(NEARLY_READINGS.map(as_message), min_size=80, max_size=80))
def test_no_message_made_at_random_is_left_out_wrongly(spark, seed, payloads):
    rng = random.Random(seed)

    assert wrongly_left_out(spark, [*payloads, *(mutated(rng) for _ in range(2000))]) == []

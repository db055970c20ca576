"""The pattern of plain readings: what it matches keeps the contract, and most readings match."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

import pytest
from fleets import START, simulated_fleet, take
from hypothesis import example, given
from hypothesis import strategies as st
from nearly_readings import NEARLY_READINGS, as_message, mutated

from pipeline.messages import MessageMaker
from pipeline.plain_readings import PLAIN, TIMESTAMP_GROUP, TYPE_GROUP, VALUE_GROUP
from pipeline.refusals import Refusal, RefusedMessage, judge, match_timestamp
from tests import messages
from tests.messages import CASES, WHOLE

find = re.compile(PLAIN).match


def judgement(text: str) -> dict[str, Any] | RefusedMessage:
    try:
        return judge(text)
    except RefusedMessage as refused:
        return refused


def require_contract_if_plain(payload: bytes) -> None:
    # As Java reads it.
    text = payload.decode(errors="replace")
    found = find(text)
    if not found:
        return
    timestamp, sensor_type, value = found.group(TIMESTAMP_GROUP, TYPE_GROUP, VALUE_GROUP)
    assert payload.decode() == text
    assert match_timestamp(timestamp)
    judged = judgement(text)
    if not isinstance(judged, RefusedMessage):
        assert (judged["timestamp"], judged["sensor_type"]) == (timestamp, sensor_type)
        assert float(judged["value"]) == float(value)
    elif judged.code is Refusal.VALUE_NOT_FINITE:
        assert math.isinf(float(value))
    else:
        # There is no such day.
        assert str(judged).startswith(f'{Refusal.BAD_FIELD}: timestamp is "{timestamp}"')


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_of_the_table_that_is_plain_keeps_the_contract(case):
    require_contract_if_plain(case.payload or b"")


@given(st.integers(0, 2**64).map(lambda seed: mutated(random.Random(seed))) | NEARLY_READINGS.map(as_message))
@example(WHOLE.replace(b"factory", b"\xff"))
@example(b"=5\n2026-01-31T08:00:00Z\ntemperature")
def test_what_is_plain_keeps_the_contract(payload):
    require_contract_if_plain(payload)


def test_all_that_the_simulator_sends_is_plain():
    made = MessageMaker(simulated_fleet(60), "00000000002a", START).make(take(simulated_fleet(60), 600))

    assert [one.payload for one in made if not find(one.payload.decode())] == []


@pytest.mark.parametrize(
    "payload",
    [
        messages.WHOLE,
        messages.MINIMAL,
        messages.message(**dict.fromkeys(messages.OPTIONAL, "null")),
        json.dumps(json.loads(WHOLE), ensure_ascii=False, indent=1).encode(),
        json.dumps(json.loads(WHOLE), ensure_ascii=False, sort_keys=True).encode(),
        messages.message(value="-1.5e-7", metadata="{}"),
    ],
    ids=["whole", "minimal", "nulls", "indented", "in another order", "an exponent"],
)
def test_the_readings_of_others_are_plain_whatever_order_and_spaces(payload):
    assert find(payload.decode())

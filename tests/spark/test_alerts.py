"""Spark raises the alerts that the Python rules raise, down to the text of their messages."""

from __future__ import annotations

import sys
import time
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kafka_records import as_records, micros

from pipeline import catalog, rules, transforms
from pipeline.events import Alert, SensorReading, decode_alert, encode
from pipeline.rules import Rule
from tests.messages import EVENT_ID, MAX_AHEAD, TIMESTAMP

# The first job starts Spark, and much code is made and compiled for it.
pytestmark = pytest.mark.timeout(900)

ALERTS = "alerts"
NOW = "2026-01-31T08:00:01Z"
ALWAYS = -sys.float_info.max
EVERY_WORD = "{{{sensor_id}|{sensor_type}|{location}|{value}|{threshold}|{side}}}"
SOME_RULES = (
    *rules.load(None),
    Rule("warm", "temperature", "low", above=24.125, message=EVERY_WORD),
    Rule("cold", "temperature", "low", below=-1e-7, message="{{}}"),
    Rule("never.warm", "temperature", "critical", below=1e12, message=EVERY_WORD),
    Rule("exactly", "temperature", "normal", below=0.0, above=-0.0),
    Rule("all", "flow", "low", above=ALWAYS, message="{value}"),
)
FIELDS = [name for name in Alert.__struct_fields__ if name != "detected_at"]
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# Among them halves of the last digit that is shown.
VALUES = FLOATS | st.floats(-50, 50) | st.integers(-(2**40), 2**40).map(lambda n: n / 128)
VALUES |= st.integers(2 * 10**6, 10**9).map(lambda n: n * 500.0)


def reading(value: float, sensor_type: str, **more: str) -> SensorReading:
    return SensorReading(
        event_id=EVENT_ID, timestamp=TIMESTAMP, sensor_id="sensor_0042", sensor_type=sensor_type, value=value, **more
    )


def routed(spark, readings, some_rules) -> list[Alert]:
    """What the router writes of readings, in the order of readings and rules."""
    records = as_records(spark, map(encode, readings))
    rows = transforms.router(records, some_rules, MAX_AHEAD, ALERTS, "dead-letter-queue").collect()
    assert {row.topic for row in rows} <= {ALERTS}
    return [decode_alert(row.value) for row in rows]


def alerts_of_spark(spark, readings, some_rules) -> list[dict]:
    """The alerts, without detected_at; the timestamp in microseconds."""
    return [comparable(alert) for alert in routed(spark, readings, some_rules)]


def alerts_of_python(readings, some_rules) -> list[dict]:
    return [comparable(alert) for one in readings for alert in rules.alerts(some_rules, one, NOW)]


def comparable(alert: Alert) -> dict:
    moment = datetime.fromisoformat(alert.timestamp)
    return {**{name: getattr(alert, name) for name in FIELDS}, "timestamp": micros(moment)}


def texts(alerts: list[dict]) -> list[str]:
    """The alerts one by one, so that 0.0 and -0.0 differ."""
    return [repr(alert) for alert in alerts]


def at_and_beside_every_limit() -> list[SensorReading]:
    known = catalog.load(None)
    return [reading(1.5e10, "flow")] + [
        reading(limit + step, rule.sensor_type, **more)
        for rule in SOME_RULES
        for limit in (rule.below, rule.above)
        if limit is not None
        for step in (-1, -0.000_001, 0, 0.000_001, 1)
        for more in (
            {"unit": known.unit(rule.sensor_type) or "l/min", "location": "office-lab"},
            {"location": "{value} \\ $1 'quoted'"},
            {},
        )
    ]


def test_the_alerts_of_readings_at_and_beside_every_limit_are_the_same(spark):
    readings = at_and_beside_every_limit()

    found = alerts_of_spark(spark, readings, SOME_RULES)

    assert texts(found) == texts(alerts_of_python(readings, SOME_RULES))
    assert {alert["alert_type"] for alert in found} == {rule.name for rule in SOME_RULES}


@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(values=st.lists(VALUES, min_size=300, max_size=300))
def test_the_alerts_of_any_values_are_the_same(spark, values):
    readings = [reading(value, sensor_type) for value in values for sensor_type in ("flow", "temperature")]

    assert texts(alerts_of_spark(spark, readings, SOME_RULES)) == texts(alerts_of_python(readings, SOME_RULES))


def test_an_alert_carries_the_clock_of_its_own_row(spark):
    begin = time.time_ns() // 1000
    alerts = routed(spark, [reading(50.0, "temperature")] * 3000, SOME_RULES)
    clocks = [micros(datetime.fromisoformat(one.detected_at)) for one in alerts]
    end = time.time_ns() // 1000

    assert begin <= min(clocks) < max(clocks) <= end


@pytest.mark.parametrize("some_rules", [(), (Rule("hot", "co2", "low", above=1.0),)], ids=["none", "of another type"])
def test_without_a_rule_for_its_type_a_reading_raises_no_alert(spark, some_rules):
    assert alerts_of_spark(spark, [reading(50.0, "temperature")], some_rules) == []

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from pipeline import oracle_alerts
from pipeline.oracle_alerts import AlertsResult
from pipeline.rules import Rule

HOT = Rule("hot", "temperature", "high", above=30.0)
COLD_OR_HOT = Rule("cold-or-hot", "temperature", "low", below=0.0, above=35.0)
DAMP = Rule("damp", "humidity", "normal", above=80.0)
RULES = (HOT, COLD_OR_HOT, DAMP)

event_ids = st.uuids().map(str)
readings = st.dictionaries(
    event_ids, st.tuples(st.sampled_from(("temperature", "humidity", "other")), st.floats(-50, 100)), max_size=30
)


@given(readings, st.data())
def test_missing_and_extra_are_those_of_two_sets(found: dict[str, tuple[str, float]], data: st.DataObject):
    implied = {
        rule.alert_id(event_id)
        for event_id, (sensor_type, value) in found.items()
        for rule in RULES
        if rule.sensor_type == sensor_type and rule.threshold(value) is not None
    }
    possible = sorted(implied | {rule.alert_id(one) for rule in RULES for one in found})
    stored = set(data.draw(st.lists(st.sampled_from(possible), unique=True))) if possible else set()
    result = AlertsResult()

    oracle_alerts.compare(
        RULES,
        [(event_id, *found[event_id]) for event_id in sorted(found)],
        lambda name: iter(sorted(one for one in stored if one[:-36] == f"{name}-")),
        result,
    )

    assert result.expected == len(implied)
    assert (result.missing, result.extra) == (len(implied - stored), len(stored - implied))
    assert set(result.examples) <= implied - stored


def test_only_the_first_ones_that_are_missing_are_named():
    suspects = sorted((str(uuid.UUID(int=number)), "humidity", 90.0) for number in range(50))
    result = AlertsResult()

    oracle_alerts.compare(RULES, suspects, lambda _rule: iter(()), result)

    assert (result.missing, len(result.examples)) == (50, oracle_alerts.EXAMPLES)
    assert result.examples[0] == DAMP.alert_id(suspects[0][0])

"""Alert rules: the built-in ones, what a file may say, what is said of a wrong one, and which readings raise alerts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import catalog, rules
from pipeline.console import UsageError
from pipeline.events import SensorReading, decode_alert, encode
from pipeline.rules import PRIORITIES, Rule, alerts, number_text

NOW = "2026-01-31T08:00:01Z"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
LIMITS = st.tuples(st.none() | NUMBERS, st.none() | NUMBERS).filter(
    lambda pair: pair != (None, None) and (None in pair or pair[0] <= pair[1])
)
TYPES = st.sampled_from(["temperature", "co2", "flow"])
RULES = st.builds(
    lambda name, sensor_type, priority, limits: Rule(name, sensor_type, priority, *limits),
    st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    TYPES,
    st.sampled_from(PRIORITIES),
    LIMITS,
)


@pytest.fixture
def load(tmp_path):
    def write_and_load(text: str | bytes) -> tuple[Rule, ...]:
        path = tmp_path / "my.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return rules.load(path)

    return write_and_load


def reading(value: float, sensor_type: str = "temperature", **more: str) -> SensorReading:
    return SensorReading(
        event_id="5eed0000-0001-8000-8000-000100000002",
        timestamp="2026-01-31T08:00:00.25+01:00",
        sensor_id="sensor_0042",
        sensor_type=sensor_type,
        value=value,
        **more,
    )


def test_the_built_in_rules_are_those_of_the_contract():
    known = {(one.sensor_type, one.below, one.above, one.priority) for one in rules.load(None)}

    assert known == {
        ("temperature", 10, 35, "high"),
        ("humidity", 20, 80, "normal"),
        ("co2", None, 1000, "critical"),
        ("pressure", 980, 1035, "normal"),
        ("vibration", None, 5, "high"),
        ("voltage", 210, 240, "high"),
        ("current", None, 12, "critical"),
    }


@pytest.mark.parametrize("rule", rules.load(None), ids=lambda rule: rule.name)
def test_each_limit_of_a_built_in_rule_is_broken_by_a_value_that_its_sensor_can_measure(rule):
    measured = catalog.load(None).types[rule.sensor_type]
    broken_by = []
    if rule.above is not None:
        broken_by.append(math.nextafter(rule.above, math.inf))
    if rule.below is not None:
        broken_by.append(math.nextafter(rule.below, -math.inf))

    for value in broken_by:
        assert measured.minimum <= value <= measured.maximum
        found = alerts(rules.load(None), reading(value, rule.sensor_type), NOW)
        assert [alert.alert_type for alert in found] == [rule.name]


def test_no_normal_value_breaks_a_built_in_rule():
    for one in catalog.load(None).types.values():
        for value in (one.normal_minimum, one.normal_maximum):
            assert alerts(rules.load(None), reading(value, one.name), NOW) == []


def test_a_file_says_all_there_is_to_say_of_a_rule(load):
    (rule,) = load(
        '[[rule]]\nname = "soil.dry"\nsensor_type = "soil moisture"\nbelow = 20.5\nabove = 90\npriority = "low"\n'
        'message = "{{{sensor_id}}} at {location} reads {value}: {side} {threshold} ({sensor_type})"'
    )

    assert rule == Rule("soil.dry", "soil moisture", "low", 20.5, 90.0, rule.message)
    (alert,) = alerts([rule], reading(1e10, "soil moisture", unit="%"), NOW)
    assert alert.message == "{sensor_0042} at unknown reads 1e10 %: above 90 % (soil moisture)"


def test_an_alert_has_the_fields_of_its_reading_and_its_rule():
    rule = Rule("hot", "temperature", "critical", above=35.25)

    (alert,) = alerts([rule], reading(36.5, unit="°C", location="office-lab"), NOW)

    assert alert.alert_id == "hot-5eed0000-0001-8000-8000-000100000002"
    assert (alert.alert_type, alert.priority, alert.threshold) == ("hot", "critical", 35.25)
    assert (alert.sensor_id, alert.sensor_type, alert.location) == ("sensor_0042", "temperature", "office-lab")
    assert (alert.value, alert.unit) == (36.5, "°C")
    assert (alert.timestamp, alert.detected_at) == ("2026-01-31T08:00:00.25+01:00", NOW)
    assert alert.message == "sensor_0042: temperature of 36.5 °C is above 35.25 °C"


def test_a_message_that_looks_like_a_placeholder_stays_as_it_is():
    (alert,) = alerts([Rule("hot", "temperature", "low", above=1)], reading(2, location="{value}"), NOW)
    (other,) = alerts(
        [Rule("hot", "temperature", "low", above=1, message="{location}")], reading(2, location="{value}"), NOW
    )

    assert alert.location == "{value}"
    assert other.message == "{value}"


def test_a_reading_that_breaks_two_rules_raises_two_alerts():
    both = [Rule("warm", "temperature", "low", above=30), Rule("hot", "temperature", "high", above=40)]

    assert [alert.alert_type for alert in alerts(both, reading(45), NOW)] == ["warm", "hot"]


@given(RULES, NUMBERS)
def test_a_value_breaks_a_rule_when_it_lies_outside_its_limits(rule, value):
    low = -math.inf if rule.below is None else rule.below
    high = math.inf if rule.above is None else rule.above

    threshold = rule.threshold(value)

    assert (threshold is None) == (low <= value <= high)
    assert threshold in (None, low, high)


@given(st.lists(RULES, max_size=6), TYPES, NUMBERS)
def test_there_is_an_alert_for_each_rule_that_is_broken_and_it_can_be_sent(some, sensor_type, value):
    found = alerts(some, reading(value, sensor_type), NOW)

    broken = [one.name for one in some if one.sensor_type == sensor_type and one.threshold(value) is not None]
    assert [alert.alert_type for alert in found] == broken
    assert [decode_alert(encode(alert)) for alert in found] == found


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (21.5, "21.5"),
        (1000.0, "1000"),
        (-40.0, "-40"),
        (0.1 + 0.2, "0.3"),
        (999_999_999.9, "999999999.9"),
        (1e9, "1e9"),
        (1.5e10, "1.5e10"),
        (-123_456_789_012.0, "-1.234568e11"),
        (0.001, "0.001"),
        (0.000999, "9.99e-4"),
        (2e-7, "2e-7"),
        (1e-300, "1e-300"),
        (9.9e-301, "0"),
        (5e-324, "0"),
    ],
)
def test_numbers_in_a_message_are_short(number, text):
    assert number_text(number) == text


@given(NUMBERS)
def test_a_number_in_a_message_is_near_the_number_itself(number):
    assert math.isclose(float(number_text(number)), number, rel_tol=1e-3, abs_tol=5e-7)


def rule(**changes: str) -> str:
    fields = {"name": '"dry"', "sensor_type": '"soil"', "below": "20", "priority": '"low"', **changes}
    return "[[rule]]\n" + "".join(f"{name} = {text}\n" for name, text in fields.items() if text)


PRINTABLE = "must have 1 to 64 printable characters"
NAME = "name must have 1 to 64 of the characters a-z A-Z 0-9 . _ -"
MESSAGE = "message must have 1 to 500 printable characters"
WRONG = [
    ("", "has no rules; begin one with a line [[rule]]"),
    ("rule = []", "has no rules"),
    ("rule = 5", "has no rules"),
    ("rule = [5]", "has no rules"),
    ("[rule]\nname = 'dry'", "has no rules"),
    ("[[rule]]\nname = = 2", "is not TOML: Invalid value (at line 2, column 8)"),
    (b"\xff\xfe", "is not UTF-8 text; save it as UTF-8"),
    ("rules = 1\n" + rule(), "does not know 'rules'; known are rule"),
    (rule(name=""), "rule 1 (line 1): name is missing"),
    (rule(sensor_type=""), "rule 1 (line 1): sensor_type is missing"),
    (rule(priority=""), "rule 1 (line 1): priority is missing"),
    (rule() + "\n# wet\n" + rule(name='"wet"', priority=""), "rule 2 (line 8): priority is missing"),
    ("# \N{LINE SEPARATOR} no line\r\n" + rule(priority=""), "rule 1 (line 2): priority is missing"),
    ("rule = [{name = 'dry'}]", "rule 1: sensor_type is missing"),
    (rule(colour='"red"'), "rule 1 (line 1): does not know 'colour'; known are above, below, message, name, priority"),
    (rule(name="5"), NAME),
    (rule(name='""'), NAME),
    (rule(name='"too dry"'), NAME),
    (rule(name='"dry\\n"'), NAME),
    (rule(name='"' + "x" * 65 + '"'), NAME),
    (rule(sensor_type="5"), f"sensor_type {PRINTABLE}"),
    (rule(sensor_type='""'), f"sensor_type {PRINTABLE}"),
    (rule(sensor_type='"' + "x" * 65 + '"'), f"sensor_type {PRINTABLE}"),
    (rule(sensor_type='"a\\u001b[2J"'), f"sensor_type {PRINTABLE}"),
    (rule(priority='"urgent"'), "priority must be one of low, normal, high, critical"),
    (rule(priority="[]"), "priority must be one of"),
    (rule(priority="3"), "priority must be one of"),
    (rule(below=""), "needs a limit: below, above or both"),
    (rule(below='"20"'), "below must be a number"),
    (rule(below="true"), "below must be a number"),
    (rule(below="nan"), "below must be a finite number"),
    (rule(above="inf"), "above must be a finite number"),
    (rule(above="1" + "0" * 400), "above must be a finite number"),
    (rule(below="30", above="20"), "below (30) is greater than above (20), so no value is allowed"),
    (rule(message="5"), MESSAGE),
    (rule(message='""'), MESSAGE),
    (rule(message='"a\\nb"'), MESSAGE),
    (rule(message='"' + "x" * 501 + '"'), MESSAGE),
    (rule(message='"{val"'), "message: expected '}' before end of string; write {{ and }} for braces"),
    (rule(message='"}"'), "write {{ and }} for braces"),
    (rule(message='"{}"'), "message does not know '{}'; known are {sensor_id}, {sensor_type}, {location}"),
    (rule(message='"{0}"'), "message does not know '{0}'"),
    (rule(message='"{unit}"'), "message does not know '{unit}'"),
    (rule(message='"{value.real}"'), "message does not know '{value.real}'"),
    (rule(message='"{value:.2f}"'), "message: {value} takes no format; write it without : and !"),
    (rule(message='"{value!r}"'), "message: {value} takes no format"),
    (rule(message='"{' + "x" * 400 + '}"'), "message does not know '{xxx"),
    (rule() + rule(), "rule 2 (line 6): the name 'dry' is taken by rule 1 (line 1); give it another"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_wrong_file_is_refused_in_one_line_that_names_file_place_and_reason(load, tmp_path, text, says):
    with pytest.raises(UsageError) as refused:
        load(text)

    message = str(refused.value)
    assert message.startswith(f"{tmp_path / 'my.toml'}: ")
    assert says in message
    assert message.isprintable()
    assert len(message.removeprefix(str(tmp_path))) < 250


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.toml: cannot be read: No such file"):
        rules.load(tmp_path / "missing.toml")

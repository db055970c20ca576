"""Means are exact, accumulate, and are printed as pandas prints them."""

import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import mean_formats
from pipeline.events import SensorReading
from pipeline.means import Means

MOMENT = datetime(2023, 12, 18, 21, 4, 20, 85419, timezone(timedelta(hours=3)))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ORDINARY = st.integers(-(10**9), 10**9).map(lambda number: number / 1000)
TYPES = st.sampled_from(["temperature", "humidity", "pressure"])
SENSORS = st.sampled_from([f"sensor_{number}" for number in range(5)])

SAMPLE = """\
----------------------------------------------------------------------
Time: 2023-12-18 21:04:20.085419, collected 119 sensor records
Statistics by Sensor Type:
                value
type                 
humidity     5.714359
pressure     5.677297
temperature  5.931395
--------------------------------------------------
Statistics by Sensor Name:
              value
name               
sensor_0   1.535500
sensor_1  10.098983
----------------------------------------------------------------------"""  # noqa: W291


def reading(sensor_type: str, sensor_id: str, value: float) -> SensorReading:
    return SensorReading(
        event_id="5eed0000-0001-8000-8000-000100000002",
        timestamp="2026-01-31T08:00:00Z",
        sensor_id=sensor_id,
        sensor_type=sensor_type,
        value=value,
    )


def means_of(rows) -> Means:
    means = Means()
    means.add(reading(*row) for row in rows)
    return means


def sample_rows():
    """119 readings: sensor_0 always measures its mean, and sensor_1 what each type's mean then asks for."""
    shares = {"humidity": (20, 19, 5.714359), "pressure": (18, 19, 5.677297), "temperature": (22, 21, 5.931395)}
    for sensor_type, (first, second, mean) in shares.items():
        yield from [(sensor_type, "sensor_0", 1.5355)] * first
        yield from [(sensor_type, "sensor_1", (mean * (first + second) - 1.5355 * first) / second)] * second


def test_the_table_is_the_sample_character_for_character():
    assert mean_formats.table()(means_of(sample_rows()), MOMENT) == SAMPLE


def test_the_time_keeps_its_microseconds_even_if_they_are_zero():
    text = mean_formats.table()(Means(), datetime(2026, 1, 31, 8, tzinfo=UTC))

    assert "Time: 2026-01-31 08:00:00.000000, collected 0 sensor records" in text


def test_a_table_without_readings_shows_two_empty_frames():
    assert mean_formats.table()(Means(), MOMENT).count("Empty DataFrame\nColumns: [value]\nIndex: []") == 2


@settings(max_examples=30)
@given(st.lists(st.tuples(TYPES, SENSORS, ORDINARY), min_size=1, max_size=50))
def test_the_frames_are_what_pandas_groups_and_prints(rows):
    frame = pd.DataFrame(rows, columns=["type", "name", "value"])

    text = mean_formats.table()(means_of(rows), MOMENT)

    by_type, by_name = text.split("-" * 50 + "\nStatistics by Sensor Name:\n")
    assert by_type.split("Statistics by Sensor Type:\n")[1] == str(exact_means(frame, "type")) + "\n"
    assert by_name == str(exact_means(frame, "name")) + "\n" + "-" * 70


def exact_means(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Like frame.groupby(by)[["value"]].mean(), which rounds while it adds."""
    return frame.groupby(by)[["value"]].agg(lambda values: float(sum(map(Fraction, values)) / len(values)))


@settings(max_examples=50)
@given(st.lists(st.tuples(TYPES, SENSORS, ORDINARY), min_size=1, max_size=100))
def test_the_figures_agree_with_pandas(rows):
    frame, means = pd.DataFrame(rows, columns=["type", "name", "value"]), means_of(rows)

    for by, found in (("type", means.by_type()), ("name", means.by_sensor())):
        expected = frame.groupby(by)["value"].agg(["mean", "count"])
        assert list(found) == list(expected.index)
        for name, one in found.items():
            assert one.count == expected["count"][name]
            assert math.isclose(one.mean, expected["mean"][name], rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(FLOATS, min_size=1, max_size=50), st.integers(1, 50))
@example([1.7976931348623157e308] * 3, 1)
@example([1.7976931348623157e308, -1.7976931348623157e308], 2)
@example([1e16, 1.0, -1e16] * 10, 7)
def test_a_mean_is_exact_whatever_the_values_and_however_they_are_batched(values, batch):
    means = Means()
    for begin in range(0, len(values), batch):
        means.add(reading("t", "s", value) for value in values[begin : begin + batch])
        means.by_type()

    found = means.by_sensor()["s"]

    assert found.count == len(values)
    # To one unit in the last place; below 1e-289 digits are lost.
    exact = float(sum(map(Fraction, values)) / len(values))
    assert math.isclose(found.mean, exact, rel_tol=3e-16, abs_tol=1e-289)


def test_a_million_readings_that_cancel_out_lose_no_digit():
    means = Means()
    batch = [reading("t", "s", value) for value in (1e10 + 0.1, -1e10)] * 5000
    for _ in range(100):
        means.add(batch)

    exact = float((Fraction(1e10 + 0.1) + Fraction(-1e10)) / 2)
    assert means.records == 1_000_000
    assert math.isclose(means.by_type()["t"].mean, exact, rel_tol=1e-12)


def test_clear_starts_afresh():
    means = means_of([("t", "s", 1.0)])
    means.by_type()
    means.clear()
    means.add([reading("u", "s", 5.0)])

    assert means.records == 1
    assert {name: one.mean for name, one in means.by_type().items()} == {"u": 5.0}


def rows_shown(text: str, index_name: str) -> int:
    body = text.split(f"\n{index_name} ")[1].split("\n---", maxsplit=1)[0]
    return sum(line.startswith("sensor_") for line in body.splitlines())


def test_a_long_table_is_cut_as_pandas_does_unless_a_number_of_rows_is_given():
    means = means_of([("t", f"sensor_{number:03d}", number) for number in range(100)])

    assert rows_shown(mean_formats.table()(means, MOMENT), "name") == 10
    assert rows_shown(mean_formats.table(20)(means, MOMENT), "name") == 20
    assert rows_shown(mean_formats.table(99)(means, MOMENT), "name") in {98, 99}
    assert rows_shown(mean_formats.table(100)(means, MOMENT), "name") == 100
    assert rows_shown(mean_formats.table(0)(means, MOMENT), "name") == 100


def test_the_only_column_is_shown_however_narrow_the_terminal_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "5")

    assert mean_formats.table()(means_of(sample_rows()), MOMENT) == SAMPLE


def test_a_name_cannot_move_the_cursor_or_turn_the_text_around():
    text = mean_formats.table()(means_of([("\u202egnp", "\u2028x", 1.0)]), MOMENT)

    assert "\\u202egnp" in text
    assert "\\u2028x" in text


def test_json_is_one_line_with_means_and_counts():
    means = means_of([("a", "s1", 1.0), ("a", "s2", 2.0), ("°", "s2", 4.5)])

    line = mean_formats.json_line(means, MOMENT)

    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-12-18T21:04:20.085419+03:00",
        "records": 3,
        "by_type": {"a": {"mean": 1.5, "count": 2}, "°": {"mean": 4.5, "count": 1}},
        "by_sensor": {"s1": {"mean": 1.0, "count": 1}, "s2": {"mean": 3.25, "count": 2}},
    }


def test_csv_has_a_row_for_each_name_and_runs_nothing_in_a_spreadsheet():
    names = ["=1+1", "+cmd", "-2", "@sum", " =1", "plain", 'with "quotes", commas', "\u202e"]
    means = means_of([("t", name, -1.5) for name in names])

    text = mean_formats.CSV_HEADER + "\n" + mean_formats.csv_rows(means, MOMENT)

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["kind"] for row in rows] == ["type"] + ["sensor"] * len(names)
    assert {row["time"] for row in rows} == {"2023-12-18T21:04:20.085419+03:00"}
    assert {(float(row["mean"]), int(row["count"])) for row in rows} == {(-1.5, len(names)), (-1.5, 1)}
    assert {row["name"] for row in rows} == {
        *("t", "'=1+1", "'+cmd", "'-2", "'@sum", "' =1", "plain", 'with "quotes", commas', "\\u202e"),
    }

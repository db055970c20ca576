"""Records in, figures out: what plotly.js is handed."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import plotly.graph_objects as go
import pytest

from pipeline import figures
from pipeline.catalog import Catalog

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(seconds=60)


def point(second: float, avg: float = 20.0, *, kind: str = "temperature", window: float = 10.0) -> dict[str, Any]:
    return {
        "sensor_type": kind,
        "at": START + timedelta(seconds=second),
        "avg": avg,
        "min": avg - 1,
        "max": avg + 2,
        "count": 7,
        "window_seconds": window,
    }


def drawn(points: list[dict[str, Any]], bin_seconds: float = 10.0) -> dict[str, Any]:
    return figures.chart("temperature", points, Catalog(), START, START + MINUTE, bin_seconds)


def x_of(second: float) -> int:
    return figures.milliseconds(START) + round(1000 * second)


def test_the_line_is_the_mean_and_the_band_goes_round_it():
    band, line = drawn([point(0, 20), point(10, 22)])["data"]

    assert (line["x"], line["y"]) == ([x_of(0), x_of(10)], [20, 22])
    assert (band["x"], band["y"]) == ([x_of(0), x_of(10), x_of(10), x_of(0)], [22, 24, 21, 19])
    assert line["customdata"] == [[19, 22, 7], [21, 24, 7]]


def test_points_come_in_any_order():
    assert drawn([point(10, 22), point(0, 20)]) == drawn([point(0, 20), point(10, 22)])


def test_line_and_band_have_a_gap_where_windows_are_missing():
    band, line = drawn([point(0), point(10), point(40), point(50)])["data"]

    assert line["y"] == [20, 20, None, 20, 20]
    assert band["x"] == [x_of(0), x_of(10), x_of(10), x_of(0), None, x_of(40), x_of(50), x_of(50), x_of(40)]
    assert len(line["customdata"]) == len(line["x"]) == len(line["y"])


def test_windows_longer_than_a_bin_are_no_gaps():
    _, line = drawn([point(0, window=30), point(30, window=30)])["data"]

    assert None not in line["y"]


def test_a_point_that_stands_alone_can_be_seen():
    assert drawn([point(0), point(40), point(50)])["data"][1]["mode"] == "lines+markers"
    assert drawn([point(0), point(10)])["data"][1]["mode"] == "lines"


def test_the_normal_range_of_a_known_type_lies_behind():
    [shape] = drawn([point(0)])["layout"]["shapes"]

    assert (shape["y0"], shape["y1"]) == (15, 25)
    assert figures.chart("soil", [point(0)], Catalog(), START, START + MINUTE, 10)["layout"]["shapes"] == []


def test_the_axis_spans_the_range_and_the_unit_is_told():
    figure = drawn([point(0)])

    assert figure["layout"]["xaxis"]["range"] == [x_of(0), x_of(60)]
    assert "°C" in figure["data"][1]["hovertemplate"]


def test_there_is_a_chart_for_each_type_in_the_catalogs_order_and_unknown_ones_follow():
    points = [point(0, kind=kind) for kind in ("zinc", "voltage", "acid", "temperature")]

    assert list(figures.charts(points, Catalog(), START, START + MINUTE, 10)) == [
        "temperature",
        "voltage",
        "acid",
        "zinc",
    ]
    assert figures.charts([], Catalog(), START, START + MINUTE, 10) == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1013.24681, 1013.2),
        (0.000123456789, 0.00012346),
        (-20.123456, -20.123),
        (0.0, 0.0),
        (math.inf, None),
        (math.nan, None),
    ],
)
def test_numbers_have_as_many_digits_as_a_chart_shows(value, shown):
    assert drawn([point(0, value)])["data"][1]["y"] == [shown]


def test_plotly_knows_every_field():
    whole = drawn([point(0), point(10), point(40)])
    for template in figures.templates().values():
        # It raises for a field that it does not know.
        go.Figure({**whole, "layout": {**whole["layout"], "template": template}})


def test_a_figure_is_plain_json():
    assert json.loads(json.dumps(drawn([point(0), point(40)]), allow_nan=False)) == drawn([point(0), point(40)])

"""A sensor's readings as parts, their figures, and which sensors are compared."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import START

from pipeline import sensor_peers, sensor_readings
from pipeline.sensor_readings import Part


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def single(second: float, value: float, kind: str = "temperature") -> Part:
    part = sensor_readings.of_reading({"timestamp": at(second), "value": value, "sensor_type": kind})
    assert part
    return part


def binned(second: float, values: list[float], length: float = 10.0) -> Part:
    found = {"at": at(second), "first": at(second), "last": at(second + length), "values": values}
    part = sensor_readings.of_bin({**found, "types": ["temperature"]})
    assert part
    return part


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 40))
def test_the_figures_of_single_readings_and_of_bins_are_those_of_all_values(values: list[float], size: int):
    alone = sensor_readings.figures([single(n, value) for n, value in enumerate(values)], None)
    bins = [binned(n, values[n : n + size]) for n in range(0, len(values), size)]
    together = sensor_readings.figures(bins, 10)

    for found in (alone, together):
        assert found
        assert found["count"] == len(values)
        assert found["mean"] == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
        assert (found["min"], found["max"]) == (min(values), max(values))
        if len(values) > 1:
            assert found["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-5)
        for one in sensor_readings.PERCENTILES:
            assert found[f"p{one}"] == pytest.approx(np.percentile(values, one), rel=1e-9, abs=1e-6)


def test_percentiles_of_large_bins_are_near():
    drawn = np.random.default_rng(7).normal(20, 3, (12, 3000))
    parts = [binned(10 * n, row.tolist()) for n, row in enumerate(drawn)]

    for portion in (0.05, 0.5, 0.95):
        rank = np.mean(drawn < sensor_readings.percentile(parts, portion))
        assert rank == pytest.approx(portion, abs=0.01)


def test_a_single_reading_has_no_spread_rate_or_gap():
    found = sensor_readings.figures([single(0, 21.5)], None)

    assert found == {
        **dict.fromkeys(("mean", "min", "max", "p5", "p50", "p95"), 21.5),
        **dict.fromkeys(("std", "rate", "interval", "longest_gap")),
        "count": 1,
        "gaps": 0,
    }
    assert sensor_readings.figures([], None) is None


def test_a_gap_is_a_silence_of_several_usual_intervals_and_breaks_the_line():
    parts = [single(second, 20) for second in (0, 1, 2, 3, 12, 13, 14, 18)]

    assert sensor_readings.gaps(parts, None) == [(at(3), at(12))]
    found = sensor_readings.figures(parts, None)
    assert found
    assert (found["gaps"], found["longest_gap"], found["interval"]) == (1, 9, 1)
    assert found["rate"] == pytest.approx(7 / 18)
    columns = sensor_readings.columns(parts, None)
    assert columns["mean"] == [20, 20, 20, 20, None, 20, 20, 20, 20]
    assert all(len(column) == 9 for column in columns.values())


def test_between_bins_only_what_is_longer_than_a_bin_is_a_gap():
    bins = [binned(0, [20.0] * 10, 9), binned(10, [20.0] * 10, 9), binned(25, [20.0] * 5, 4), binned(50, [20.0], 0)]

    assert sensor_readings.gaps(bins, 10) == [(at(29), at(50))]


@pytest.mark.parametrize(
    "values", [[math.nan], [math.inf, 1e308], [1e308, -1e308], [5e-324], [math.nan, 20.0], [1e200, 1e200]]
)
def test_odd_values_make_figures_that_json_can_hold(values: list[float]):
    read = [{"timestamp": at(n), "value": value, "sensor_type": "x"} for n, value in enumerate(values)]
    parts = [part for one in read if (part := sensor_readings.of_reading(one))]

    found = sensor_readings.figures(parts, None), sensor_readings.columns(parts, None)

    json.dumps(found, allow_nan=False)


def test_a_bin_is_as_short_as_can_be_seen():
    assert [sensor_readings.bin_seconds(hours * 3600) for hours in (0.1, 0.25, 1, 6, 24, 168)] == [
        *(1, 2, 10, 60, 300),
        1800,
    ]


def last(*values: float) -> list[dict[str, Any]]:
    return [{"_id": f"s{n}", "value": value} for n, value in enumerate(values)]


def test_of_few_sensors_all_are_compared_of_many_the_extremes_and_the_nearest():
    assert sensor_peers.nearest(last(5, 1, 3), "s1", 1) == ["s1", "s0", "s2"]
    assert sensor_peers.nearest([], "s1", 1) == ["s1"]

    chosen = sensor_peers.nearest(last(*range(1000)), "s500", 500)

    numbers = {int(name[1:]) for name in chosen}
    assert len(chosen) == len(numbers) == sensor_peers.PEERS
    assert {*range(10), *range(990, 1000), *range(496, 505)} <= numbers


def test_many_or_busy_sensors_are_compared_over_a_shorter_time():
    assert sensor_peers.span(900, 10, 1.0) == 900
    assert sensor_peers.span(86_400, 10, 1.0) == 900
    assert sensor_peers.span(86_400, 30, 10.0) == 10
    assert sensor_peers.span(86_400, 30, None) == 300
    assert sensor_peers.span(300, 1, 0.001) == 300

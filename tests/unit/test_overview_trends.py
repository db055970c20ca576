"""What the first page's figures and its heat map are made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from stored import START

from pipeline import latency, latency_counts, overview_trends
from pipeline.catalog import Catalog


def at(second: float) -> Any:
    return START + timedelta(seconds=second)


def point(second: float, count: int, **more: Any) -> dict[str, Any]:
    return {"sensor_type": "temperature", "at": at(second), "count": count, "window_seconds": 10.0, **more}


def placed(kind: str, place: str, avg: float, count: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "sensor_type": kind,
        "location": place,
        "at": START,
        "avg": avg,
        "min": avg - 1,
        "max": avg + 1,
        "count": count,
        **more,
    }


def test_a_sparkline_tells_how_many_a_second_and_leaves_out_what_is_not_over():
    points = [point(0, 20), point(0, 10), point(10, 50), point(30, 5), point(60, 999), point(-10, 999)]

    assert overview_trends.sparkline(points, START, at(60), 10) == [3.0, 5.0, 0.0, 0.5, 0.0, 0.0]
    assert overview_trends.sparkline(points, START, at(35), 10) == [3.0, 5.0, 0.0]
    assert overview_trends.sparkline([], START, START, 10) == []


@pytest.mark.parametrize("seconds", [60, 900, 3600, 86_400, 604_800])
def test_a_sparkline_has_few_parts_and_loses_none_of_the_points(seconds: int):
    width = 10 if seconds < 86_400 else 1800
    points = [point(second, 1) for second in range(0, seconds, width)]

    found = overview_trends.sparkline(points, START, at(seconds), width)

    assert len(found) <= overview_trends.SPARK_POINTS
    assert sum(found) / len(found) == pytest.approx(1 / width, rel=0.05)


def test_the_rate_of_what_is_chosen_is_that_of_the_last_minute_but_for_windows_that_grow():
    points = [point(second, 40) for second in range(0, 200, 10)]

    assert overview_trends.rate(points, at(203)) == pytest.approx(4.0)
    assert overview_trends.rate(points, at(2000)) is None
    assert overview_trends.rate([], START) is None


@pytest.mark.parametrize(
    ("count", "age", "is_there"), [(9, 1, False), (9, 14, False), (9, 15, True), (10, 1, True), (300, 1, True)]
)
def test_a_point_that_has_only_begun_is_left_out_until_it_is_old(count: int, age: float, is_there: bool):
    old = [point(0, 5, sensor_type="humidity"), point(10, 100, sensor_type="humidity")]
    new = point(30, count, sensor_type="humidity")
    # Of another type there is one point alone, however few it stands for.
    alone = point(30, 1, sensor_type="voltage")

    assert overview_trends.grown([new, *old, alone], at(30 + age)) == [*([new] if is_there else []), *old, alone]


def test_the_mean_rate_is_that_of_a_time():
    assert overview_trends.mean_rate([point(0, 100), point(10, 200), point(20, 9)], START, at(20)) == 15.0
    assert overview_trends.mean_rate([], START, START) == 0.0


def test_cells_are_put_together_by_their_counts_and_tell_how_far_from_normal_they_are():
    points = [
        placed("temperature", "roof", 20.0, 3),
        placed("temperature", "roof", 40.0, 1, min=-3.0),
        placed("zinc", "cellar", 7.0),
        placed("humidity", "roof", 50.0),
    ]

    found = overview_trends.cells(points, Catalog())

    assert [one["name"] for one in found["types"]] == ["temperature", "humidity", "zinc"]
    assert found["types"][0] == {"name": "temperature", "unit": "°C", "normal": [15.0, 25.0]}
    assert found["types"][2] == {"name": "zinc", "unit": "", "normal": None}
    assert found["locations"] == ["cellar", "roof"]
    rows = {tuple(row[:2]): row[2:] for row in found["rows"]}
    assert rows["temperature", "roof"] == [25.0, -3.0, 41.0, 4, 1.0]
    assert rows["zinc", "cellar"] == [7.0, 6.0, 8.0, 1, None]
    assert overview_trends.cells([], Catalog()) == {"types": [], "locations": [], "rows": []}


def test_latencies_come_oldest_first_and_batches_that_tell_none_are_left_out():
    def batch(milliseconds: int) -> dict[str, Any]:
        return {"latency": {latency.IN_ALL: latency_counts.counted([milliseconds] * 10)}}

    found = overview_trends.latencies([batch(4000), {}, {"latency": {}}, batch(1000)])

    assert found["each"] == [pytest.approx(1.0, rel=0.2), pytest.approx(4.0, rel=0.2)]
    assert found["all"] == pytest.approx(4.0, rel=0.2)
    assert overview_trends.latencies([]) == {"each": [], "all": None}


def test_points_over_time_and_places_are_told_apart():
    over_time, places = overview_trends.split([point(0, 1), placed("zinc", "roof", 1.0)])

    assert ([one["count"] for one in over_time], [one["location"] for one in places]) == ([1], ["roof"])

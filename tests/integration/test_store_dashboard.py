"""What the page asks of a real mongod: the answers, the indexes that give them, and the deadline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import explaining
import pytest
import stored
from stored import START, STILL

from pipeline import store_alarms, store_dashboard, store_progress, store_windows, store_writes
from pipeline.store import Store
from pipeline.store_dashboard import Choices, Selection
from pipeline.store_faults import StoreUnavailable

EVERYTHING = Selection()
KNOWN = Choices(("humidity", "temperature"), ("office-lab", "warehouse-north"))
NOBODY = Selection(("nothing",))
HUMID = Selection(("humidity",))


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def reading(second: float, sensor: int, **changes: Any) -> dict[str, Any]:
    [one] = stored.readings(1, start=at(second), **changes)
    event_id = f"{round(1000 * second):08x}-0000-8000-8000-{sensor:012x}"
    return {**one, "sensor_id": f"sensor_{sensor}", "event_id": event_id}


@pytest.fixture
def filled(target: Store) -> Store:
    """Sensors 0 to 4 of temperature and 5 to 9 of humidity; the last of each has been silent for long."""
    readings = []
    for sensor in range(10):
        kind = "temperature" if sensor < 5 else "humidity"
        place = "warehouse-north" if sensor % 2 else "office-lab"
        last = 0 if sensor in {4, 9} else 1000 + sensor
        readings.append(reading(last, sensor, sensor_type=kind, location=place))
    store_writes.write_readings(target, readings, STILL)
    return target


def test_sensors_are_counted_by_what_is_chosen_and_how_long_they_are_silent(filled):
    assert store_dashboard.sensors(filled, Selection(), at(950)) == store_dashboard.Sensors(10, 8, at(1008))
    assert store_dashboard.sensors(filled, HUMID, at(1006)) == store_dashboard.Sensors(5, 3, at(1008))
    chosen = Selection(("temperature",), ("office-lab",))
    assert store_dashboard.sensors(filled, chosen, at(1001)) == store_dashboard.Sensors(3, 1, at(1002))
    assert store_dashboard.sensors(filled, NOBODY, at(0)) == store_dashboard.Sensors(0, 0, None)


def test_the_filters_are_what_occurs(filled):
    assert store_dashboard.choices(filled) == KNOWN


def test_windows_are_put_together_by_type_and_time_with_their_counts_as_weights(target):
    windows = [
        {**stored.window(0, count=1), "avg": 10.0, "min": 1.0, "max": 11.0},
        {**stored.window(0, count=3, location="office-lab"), "avg": 20.0, "min": 5.0, "max": 30.0},
        {**stored.window(10, count=4), "avg": 40.0, "min": 39.0, "max": 41.0},
        {**stored.window(20, count=2), "avg": 7.0},
        {**stored.window(10, count=2, sensor_type="humidity"), "avg": 50.0},
    ]
    store_writes.write_windows(target, windows, STILL)

    found = store_dashboard.series(target, Selection(), at(0), at(20), 20)

    by_type = {one["sensor_type"]: one for one in found}
    assert len(found) == 2
    assert by_type["temperature"] == {
        "sensor_type": "temperature",
        "at": at(0),
        "avg": pytest.approx((10 + 3 * 20 + 4 * 40) / 8),
        "min": 1.0,
        "max": 41.0,
        "count": 8,
        "window_seconds": 10.0,
    }
    [chosen] = store_dashboard.series(target, Selection((), ("office-lab",)), at(0), at(20), 20)
    assert (chosen["avg"], chosen["count"]) == (20.0, 3)
    assert len(store_dashboard.series(target, Selection(), at(0), at(30), 10)) == 4


def test_windows_are_put_together_by_type_and_location_as_well(target):
    windows = [
        {**stored.window(0, count=1), "avg": 10.0, "min": 1.0, "max": 11.0},
        {**stored.window(10, count=3), "avg": 20.0, "min": 5.0, "max": 30.0},
        {**stored.window(10, count=2, location="office-lab"), "avg": 7.0},
        {**stored.window(50, count=9), "avg": 99.0},
    ]
    store_writes.write_windows(target, windows, STILL)

    found = store_windows.series_and_cells(target, Selection(), at(0), at(40), 20)

    assert [one for one in found if "location" not in one] == store_dashboard.series(
        target, Selection(), at(0), at(40), 20
    )
    cells = {one["location"]: one for one in found if "location" in one}
    assert set(cells) == {"office-lab", windows[0]["location"]}
    assert cells[windows[0]["location"]] == {
        "sensor_type": "temperature",
        "location": windows[0]["location"],
        "at": at(0),
        "avg": pytest.approx(17.5),
        "min": 1.0,
        "max": 30.0,
        "count": 4,
    }


def test_alarms_are_counted_by_when_they_were_last_seen(filled):
    # The last one is the first sensor's second one.
    alerts = [stored.alert(second, sensor=sensor) for second, sensor in ((5, 0), (15, 1), (17, 2), (45, 3), (25, 0))]
    for one in (*alerts, {**stored.alert(16, sensor=6), "sensor_type": "humidity"}):
        store_alarms.write_alerts(filled, [one], 60, STILL)

    def seen(selection: Selection) -> dict[float, int]:
        found = store_windows.alarms_seen(filled, selection, at(0), at(40), 10)
        return {(one["at"] - START).total_seconds(): one["count"] for one in found}

    assert seen(EVERYTHING) == {10: 3, 20: 1}
    assert seen(HUMID) == {10: 1}


def test_progress_comes_newest_first_and_totals_by_query(target):
    for batch in range(5):
        figures = {"query": "windows", "query_id": "w", "batch_id": batch, "at": at(batch), "rows": batch}
        store_progress.write_progress(target, figures, {"late": 2})

    found = store_dashboard.progress(target, ["readings", "windows"], 3)

    assert [one["rows"] for one in found["windows"]] == [4, 3, 2]
    assert found["readings"] == []
    assert store_dashboard.totals(target, ["w", "x"]) == {"w": {"late": 10}}


def test_dead_letters_are_counted(target):
    store_writes.write_dead_letters(target, [stored.dead_letter(n) for n in range(3)], STILL)

    assert store_dashboard.dead_letters(target) == 3


def test_what_the_page_asks_reads_no_whole_collection_and_sorts_none(filled):
    store_writes.write_windows(filled, [stored.window(10 * n) for n in range(6)], STILL)
    figures = {"query": "windows", "query_id": "w", "batch_id": 1, "at": START}
    store_progress.write_progress(filled, figures, {"late": 2})
    selections = [Selection(), HUMID, Selection((), ("office-lab",)), Selection(("humidity",), ("office-lab",))]

    def ask() -> None:
        store_dashboard.choices(filled)
        store_dashboard.progress(filled, ["readings", "windows"], 30)
        store_dashboard.totals(filled, ["w"])
        for selection in selections:
            store_dashboard.sensors(filled, selection, at(900))
            store_dashboard.series(filled, selection, at(0), at(60), 20)
            store_windows.series_and_cells(filled, selection, at(0), at(60), 20)
            store_windows.alarms_seen(filled, selection, at(0), at(60), 20)

    done = explaining.profiled(filled, ask)

    asked = {one["ns"].partition(".")[2] for one in done}
    assert asked == {"alarms", "sensors", "windowed_metrics", "pipeline_progress", "pipeline_totals"}
    explaining.require_indexes(filled, done)


def test_a_deadline_ends_the_wait_for_a_server_and_for_its_work(filled):
    gone = Store("mongodb://127.0.0.1:1", "iot")
    with pytest.raises(StoreUnavailable), store_dashboard.within(0.3):
        store_dashboard.choices(gone)

    done = explaining.profiled(filled, lambda: _hastily(filled))

    assert done
    assert all(0 < one["command"]["maxTimeMS"] <= 5000 for one in done)


def _hastily(target: Store) -> None:
    with store_dashboard.within(5):
        store_dashboard.choices(target)
        store_dashboard.series(target, Selection(), at(0), at(60), 20)

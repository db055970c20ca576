"""One sensor, its peers, the list of all and the search, asked of a real mongod: the answers and their indexes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import explaining
import pytest
import stored
from stored import START, STILL

from pipeline import sensor_list, store_alarms, store_dashboard, store_sensor, store_sensor_list, store_writes
from pipeline.catalog import Catalog
from pipeline.rules import SILENT, Rule
from pipeline.sensor_snapshots import SensorSnapshots
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.store_dashboard import Selection
from pipeline.view import View

TOO_HOT = Rule("too_hot", "temperature", "high", above=35.0)
OTHER = Rule("too_wet", "humidity", "high", above=80.0)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def reading(second: float, sensor: int, value: float = 20.0, **changes: Any) -> dict[str, Any]:
    [one] = stored.readings(1, start=at(second), **changes)
    event_id = f"{round(1000 * second) + 10**7:08x}-0000-8000-8000-{sensor:012x}"
    return {**one, "sensor_id": f"sensor_{sensor:04}", "event_id": event_id, "value": value, **changes}


def raise_alarm(target: Store, second: float, sensor: int, **changes: Any) -> None:
    one = {**stored.alert(second, sensor=sensor), "sensor_id": f"sensor_{sensor:04}", **changes}
    store_alarms.write_alerts(target, [one], 60, STILL)


@pytest.fixture
def filled(target: Store) -> Store:
    """Sensor 7 with 600 readings, a gap of 100 s in them; 59 others with one each, every third of humidity."""
    values = [(n if n < 300 else n + 100, 20.0 + n % 5) for n in range(600)]
    mine = [reading(second, 7, value) for second, value in values]
    others = [
        reading(690 - n, n, 30.0 + n, **({"sensor_type": "humidity", "unit": "%"} if n % 3 == 0 else {}))
        for n in range(60)
        if n != 7
    ]
    store_writes.write_readings(target, [*mine, *others], STILL)
    store_writes.write_windows(target, [stored.window(10 * n) for n in range(70)], STILL)
    raise_alarm(target, 640, 7)
    raise_alarm(target, 645, 7, value=51.5)
    raise_alarm(target, 100, 7, alert_type="old")
    raise_alarm(target, 660, 12, priority="critical")
    raise_alarm(target, 661, 13)
    raise_alarm(target, 639, 58, alert_type=SILENT)
    return target


def snapshots(target: Store, second: float = 700.0) -> SensorSnapshots:
    sources = Sources(target, Catalog(), Rules(60, 60), now=lambda: at(second), alert_rules=(TOO_HOT, OTHER))
    return SensorSnapshots(sources)


def made(target: Store, view: View, second: float = 700.0) -> dict[str, Any]:
    return stored.whole(snapshots(target, second), view)


def test_a_sensor_is_shown_with_its_readings_figures_limits_alarms_and_peers(filled):
    one = made(filled, View(sensor="sensor_0007"))["sensor"]

    assert (one["type"], one["location"], one["unit"]) == ("temperature", "warehouse-north", "°C")
    assert (one["model"], one["battery"], one["last"]) == ("MODEL_01", 77, round(1000 * at(699).timestamp()))
    assert one["bin_seconds"] is None
    assert len(one["readings"]["at"]) == 601
    assert one["readings"]["mean"][300] is None
    assert {name: one["figures"][name] for name in ("count", "mean", "min", "max", "gaps", "longest_gap")} == {
        "count": 600,
        "mean": pytest.approx(22.0),
        "min": 20.0,
        "max": 24.0,
        "gaps": 1,
        "longest_gap": 101.0,
    }
    assert one["rules"] == [{"rule": "too_hot", "priority": "high", "below": None, "above": 35.0}]
    assert one["normal"] == [15, 25]
    assert [(alert["rule"], alert["value"]) for alert in one["alerts"]] == [
        ("old", stored.alert(100)["value"]),
        ("too_hot", stored.alert(640)["value"]),
        ("too_hot", 51.5),
    ]
    assert [(alarm["rule"], alarm["count"], alarm["active"]) for alarm in one["alarms"]] == [
        ("too_hot", 2, True),
        ("old", 1, False),
    ]
    assert len(one["windows"]["at"]) == 70
    assert one["complete"]


def test_its_peers_are_the_sensors_of_its_type_at_its_place(filled):
    peers = made(filled, View(sensor="sensor_0007"))["sensor"]["peers"]

    # 60 sensors but for the 20 of humidity.
    assert (peers["total"], peers["seconds"]) == (40, 300)
    assert len(peers["rows"]) == 30
    assert peers["rows"][0]["sensor"] == "sensor_0059"
    mine = next(row for row in peers["rows"] if row["sensor"] == "sensor_0007")
    assert (mine["count"], mine["low"], mine["high"]) == (300, 20.0, 24.0)
    assert peers["rank"] == 30


def test_many_readings_are_put_together_with_their_extremes_kept(filled):
    store_writes.write_readings(filled, [reading(800 + n / 4, 8, 20.0) for n in range(2000)], STILL)
    store_writes.write_readings(filled, [reading(1001.1, 8, 99.0)], STILL)

    one = made(filled, View(sensor="sensor_0008"), 1310)["sensor"]

    assert one["bin_seconds"] == 2
    assert (one["figures"]["count"], one["figures"]["max"]) == (2001 + 1, 99.0)
    assert max(high for high in one["readings"]["high"] if high is not None) == 99.0
    long = made(filled, View(sensor="sensor_0008", range="6h"), 1310)["sensor"]
    assert (long["bin_seconds"], long["complete"], long["figures"]["count"]) == (60, True, 2002)
    assert long["figures"]["p50"] == 20.0


def test_a_time_in_the_past_is_shown_as_it_was(filled):
    since, until = (round(1000 * at(second).timestamp()) for second in (100, 200))

    one = made(filled, View(sensor="sensor_0007", since=since, until=until), 5000)["sensor"]

    assert one["figures"]["count"] == 100
    assert [alert["rule"] for alert in one["alerts"]] == ["old"]
    assert (one["peers"]["total"], one["peers"]["rank"]) == (40, 1)


def test_a_sensor_of_several_types_has_no_limits_and_no_peers(filled):
    store_writes.write_readings(filled, [reading(695.5, 7, 50.0, sensor_type="humidity", unit="%")], STILL)

    one = made(filled, View(sensor="sensor_0007"))["sensor"]

    assert one["types"] == ["humidity", "temperature"]
    assert (one["rules"], one["normal"], one["peers"], one["windows"]) == ([], None, None, None)
    assert one["figures"]["count"] == 601


def test_unknown_sensors_and_sensors_without_readings_are_told_from_each_other(filled):
    unknown = made(filled, View(sensor="nobody"))["sensor"]
    silent = made(filled, View(sensor="sensor_0001"), 100_000)["sensor"]

    assert unknown == {"id": "nobody", "known": False}
    assert (silent["known"], silent["figures"], silent["readings"]["at"]) == (True, None, [])
    assert silent["peers"]["rank"] is None


def test_the_list_comes_in_pages_by_name_with_open_alarms(filled):
    first = made(filled, View())["list"]
    beyond = made(filled, View(page=99))["list"]

    assert (first["total"], first["pages"], len(first["rows"])) == (60, 2, 50)
    assert [row["sensor"] for row in first["rows"][:2]] == ["sensor_0000", "sensor_0001"]
    by_name = {row["sensor"]: row for row in first["rows"]}
    assert (by_name["sensor_0012"]["open"], by_name["sensor_0012"]["worst"]) == (1, "critical")
    assert (by_name["sensor_0007"]["open"], by_name["sensor_0001"]["open"]) == (1, 0)
    assert (beyond["page"], beyond["first"], len(beyond["rows"])) == (2, 51, 10)
    # Its reading is newer than the alert of its silence was, and older than that of another.
    assert {row["sensor"]: row["open"] for row in beyond["rows"]}["sensor_0058"] == 1


def test_the_list_can_be_that_of_silent_sensors_and_of_those_with_open_alarms(filled):
    silent = made(filled, View(listed="silent"), 710.5)["list"]
    alarmed = made(filled, View(listed="alarms"))["list"]

    # Those that were last heard of before 650.5, the longest silent first.
    assert [row["sensor"] for row in silent["rows"]][:3] == ["sensor_0059", "sensor_0058", "sensor_0057"]
    assert silent["total"] == len(silent["rows"]) == 20
    assert [row["sensor"] for row in alarmed["rows"]] == ["sensor_0012", "sensor_0013", "sensor_0007", "sensor_0058"]
    assert (alarmed["total"], alarmed["silent"]) == (4, 9)


def test_the_list_is_narrowed_by_type_and_place(filled):
    humid = made(filled, View(types=("humidity",)))["list"]
    nowhere = made(filled, View(locations=("nowhere",)))["list"]

    assert (humid["total"], humid["pages"]) == (20, 1)
    assert [row["sensor"] for row in humid["rows"]] == [f"sensor_{n:04}" for n in range(0, 60, 3)]
    assert (nowhere["rows"], nowhere["total"], nowhere["page"]) == ([], 0, 1)


FOUND = {
    "sensor_000": [f"sensor_{n:04}" for n in range(10)],
    "SENSOR_0041": ["sensor_0041"],
    "42": ["sensor_0042"],
    "0042": ["sensor_0042"],
    "005": ["sensor_0005", *(f"sensor_{n:04}" for n in range(50, 60))],
    **{text: [] for text in ("ensor", ".*", "sensor_\U0010ffff", "99999999999999999999")},
}


def test_the_search_finds_names_by_how_they_begin_and_by_their_numbers(filled):
    assert {text: [one["sensor"] for one in sensor_list.search(filled, text)] for text in FOUND} == FOUND


def test_what_this_page_asks_reads_no_whole_collection_and_sorts_none(filled):
    maker = snapshots(filled)
    views = [
        View(sensor="sensor_0007"),
        View(sensor="sensor_0007", range="7d"),
        *(View(listed=listed) for listed in ("all", "silent", "alarms")),
        *(View(listed=listed, types=("humidity",)) for listed in ("all", "silent")),
        *(View(listed=listed, locations=("warehouse-north",)) for listed in ("all", "silent")),
    ]

    def ask() -> None:
        for view in views:
            maker.make(replace(view))
        store_sensor.bins(filled, "sensor_0007", at(0), at(700), 10)
        for text in ("sensor_00", "42", "X"):
            store_sensor_list.search(filled, text, 10)

    done = explaining.profiled(filled, ask)

    asked = {one["ns"].partition(".")[2] for one in done}
    assert asked == {"sensors", "sensor_metrics", "anomaly_alerts", "alarms", "windowed_metrics"}
    explaining.require_indexes(filled, done)


def test_the_windows_of_a_type_at_a_place_are_found_without_those_of_others(filled):
    everywhere = [stored.window(10 * n, location=f"place-{p}") for n in range(70) for p in range(10)]
    store_writes.write_windows(filled, everywhere, STILL)
    chosen = Selection(("temperature",), ("warehouse-north",))

    done = explaining.profiled(filled, lambda: store_dashboard.series(filled, chosen, at(100), at(200), 10))

    [asked] = [one for one in done if one["ns"].endswith("windowed_metrics")]
    assert asked["docsExamined"] == 10

"""The list of alarms out of a real mongod: which are active, which are over, their counts, order and limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import explaining
import pytest
import stored
from clocks import HandClock
from stored import START, STILL

from pipeline import alarm_lists, store_alarm_list, store_alarms, store_writes
from pipeline.alarm_lists import COLUMNS, AlarmLists, Wanted
from pipeline.catalog import Catalog
from pipeline.snapshots import Rules, Sources, critical
from pipeline.store import Store
from pipeline.store_alarm_list import Narrowing
from pipeline.store_dashboard import Selection

HUMID = Narrowing(Selection(("humidity",)))


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


WANTED = Wanted(Narrowing(), at(0), at(1100))


def send(target: Store, second: float, sensor: int, **changes: Any) -> None:
    [one] = stored.readings(1, start=at(second), **changes)
    event_id = f"{round(1000 * second) + 2**31:08x}-0000-8000-8000-{sensor:012x}"
    reading = {**one, "sensor_id": f"sensor_{sensor}", "event_id": event_id}
    store_writes.write_readings(target, [reading], STILL)


def raise_alarm(target: Store, second: float, sensor: int, **changes: Any) -> None:
    store_alarms.write_alerts(target, [{**stored.alert(second, sensor=sensor), **changes}], 60, STILL)


def identity(target: Store, sensor: int, **more: Any) -> str:
    [one] = target.collection("alarms").find({"sensor_id": f"sensor_{sensor}", **more})
    return str(one["_id"])


def acknowledge(target: Store, sensor: int) -> None:
    store_alarms.acknowledge(target, [identity(target, sensor)], "ada", at(1050), "seen")


@pytest.fixture
def filled(target: Store) -> Store:
    """Sensors 0 to 8 that were heard of at second 1000 and a little later, but for 4 and 5, silent for long."""
    for sensor in range(9):
        send(target, {4: 100, 5: 200}.get(sensor, 1000 + sensor), sensor)
    return target


@pytest.fixture
def alarms(filled: Store) -> Store:
    """Alarms of each kind, by sensor: 0, 1 active, 2 active and acknowledged, 3 over, 4 silent, 6 over and noted."""
    raise_alarm(filled, 990, 0)
    raise_alarm(filled, 970, 1, priority="critical")
    raise_alarm(filled, 980, 2, sensor_type="humidity", location="office-lab")
    raise_alarm(filled, 900, 3)  # its sensor has sent for 103 seconds since
    raise_alarm(filled, 100, 4)
    raise_alarm(filled, 700, 6, alert_type="too_cold", alert_id="too_cold-6", sensor_type="humidity")
    acknowledge(filled, 2)
    acknowledge(filled, 6)
    return filled


def lists(target: Store, clock: HandClock | None = None) -> AlarmLists:
    return AlarmLists(Sources(target, Catalog(), Rules(60, 60), clock=clock or HandClock()))


def sensors(found: list[dict[str, Any]]) -> list[int]:
    return [int(one["sensor_id"].removeprefix("sensor_")) for one in found]


def listed(target: Store, **changes: Any) -> list[int]:
    rows = lists(target).listed(replace(WANTED, **changes))["rows"]
    return [int(row[0].partition("|")[0].removeprefix("sensor_")) for row in rows]


def narrowed(target: Store, **narrowing: Any) -> list[int]:
    return listed(target, narrowing=Narrowing(**narrowing), state="any", acknowledged=None, sort="sensor")


def test_active_are_those_whose_sensor_has_not_sent_for_long_without_an_alert_and_those_of_silent_ones(alarms):
    raise_alarm(alarms, 30, 5)  # over when its sensor fell silent

    found = store_alarm_list.active(alarms, Narrowing(), 60)

    assert sensors(found) == [0, 2, 1, 4]
    assert all(one["active"] for one in found)
    assert sensors(store_alarm_list.active(alarms, HUMID, 60)) == [2]
    assert sensors(store_alarm_list.active(alarms, Narrowing(sensor="sensor_4"), 60)) == [4]
    assert critical(found) == {"count": 1, "newest": 1000 * (at(970).timestamp())}
    assert critical(found[:1]) == {"count": 0, "newest": None}


def test_the_alarm_of_a_silent_sensor_ends_with_its_next_reading_however_soon_that_comes(filled):
    raise_alarm(filled, 100, 4, alert_type="silent", alert_id="silent-4")
    assert sensors(store_alarm_list.active(filled, Narrowing(), 60)) == [4]

    send(filled, 130, 4)
    assert store_alarm_list.active(filled, Narrowing(), 60) == []

    raise_alarm(filled, 130, 4, alert_type="silent", alert_id="silent-4b")
    assert sensors(store_alarm_list.active(filled, Narrowing(), 60)) == [4]
    send(filled, 1005, 4)
    assert store_alarm_list.active(filled, Narrowing(), 60) == []


def test_a_list_is_of_a_state_and_of_those_acknowledged_or_not_and_all_are_counted(alarms):
    found = lists(alarms).listed(WANTED)

    assert found["counts"] == {"active": [3, 1], "cleared": [1, 1]}
    assert (found["matching"], found["critical"], found["at_limit"], found["since"]) == (3, 1, False, None)
    assert listed(alarms) == [1, 0, 4]
    assert listed(alarms, acknowledged=True) == [2]
    assert listed(alarms, acknowledged=None) == [1, 0, 2, 4]
    assert listed(alarms, state="cleared") == [3]
    assert listed(alarms, state="cleared", acknowledged=None) == [3, 6]
    assert listed(alarms, state="any", acknowledged=None) == [1, 0, 2, 3, 6, 4]


def test_a_list_is_narrowed_by_everything_that_an_alarm_has(alarms):
    assert narrowed(alarms) == [0, 1, 2, 3, 4, 6]
    assert narrowed(alarms, selection=Selection(("humidity",))) == [2, 6]
    assert narrowed(alarms, selection=Selection(("humidity",), ("office-lab",))) == [2]
    assert narrowed(alarms, priorities=("critical",)) == [1]
    assert narrowed(alarms, priorities=("critical", "high"), rules=("too_cold",)) == [6]
    assert narrowed(alarms, sensor="sensor_3") == [3]
    assert narrowed(alarms, sensor="sensor") == []
    assert store_alarm_list.rules(alarms) == ["too_cold", "too_hot"]


def test_the_time_is_when_an_alarm_was_last_seen_and_what_is_active_now_is_of_now(alarms):
    assert listed(alarms, state="any", acknowledged=None, since=at(800), sort="sensor") == [0, 1, 2, 3, 4]
    times = {"since": at(650), "until": at(975), "live": False}
    assert listed(alarms, state="any", acknowledged=None, sort="sensor", **times) == [1, 3, 6]
    found = lists(alarms).listed(replace(WANTED, **times))
    assert found["counts"] == {"active": [1, 0], "cleared": [1, 1]}


def test_a_list_has_an_order_and_what_has_nothing_to_be_ordered_by_comes_last(alarms):
    everything = {"state": "any", "acknowledged": None}

    assert listed(alarms, **everything, sort="-sensor") == [6, 4, 3, 2, 1, 0]
    assert listed(alarms, **everything, sort="last") == [4, 6, 3, 1, 2, 0]
    assert listed(alarms, **everything, sort="-last") == [0, 2, 1, 3, 6, 4]
    assert listed(alarms, **everything, sort="level")[-1] == 1
    assert listed(alarms, **everything, sort="rule")[0] == 6
    assert set(listed(alarms, **everything, sort="acknowledged")[:2]) == {2, 6}
    assert listed(alarms, **everything, sort="-last", limit=2) == [0, 2]


def test_a_row_says_what_an_alarm_is(alarms):
    raise_alarm(alarms, 1000, 2, sensor_type="humidity", location="office-lab")
    found = lists(alarms).listed(replace(WANTED, acknowledged=True))

    [row] = found["rows"]
    shown = dict(zip(found["columns"], row, strict=True))
    assert found["columns"] == COLUMNS
    assert shown == {
        "id": "sensor_2|too_hot|2026-03-01T12:16:20.000Z",
        "level": 3,
        "type": "humidity",
        "location": "office-lab",
        "value": 40.0 + 1000 % 7,
        "threshold": 35.0,
        "unit": "°C",
        "last": 1000 * at(1000).timestamp(),
        "count": 2,
        "active": True,
        "by": "ada",
        "note": "seen",
        "acknowledged": 1000 * at(1050).timestamp(),
    }


def test_only_so_many_of_those_that_are_over_are_looked_at_and_that_is_told(alarms, monkeypatch):
    monkeypatch.setattr(store_alarm_list, "SCAN_LIMIT", 2)

    found = lists(alarms).listed(replace(WANTED, state="any", acknowledged=None, sort="sensor"))

    # 0 and 2 were seen last: those that are active are there in any case.
    assert [row[0].partition("|")[0] for row in found["rows"]] == ["sensor_0", "sensor_1", "sensor_2", "sensor_4"]
    assert found["since"] == 1000 * at(970).timestamp() + 1
    for module in (store_alarm_list, alarm_lists):
        monkeypatch.setattr(module, "ACTIVE_LIMIT", 3)
    assert lists(alarms).listed(WANTED)["at_limit"]


def test_alerts_are_counted_up_to_a_limit_and_again_when_there_is_a_new_one_or_time_has_passed(alarms, monkeypatch):
    monkeypatch.setattr(store_alarm_list, "COUNT_LIMIT", 3)
    clock = HandClock()
    listing = lists(alarms, clock)
    wanted = replace(WANTED, narrowing=Narrowing(sensor="sensor_0"))

    def count() -> int:
        [row] = listing.listed(wanted)["rows"]
        return int(row[COLUMNS.index("count")])

    assert count() == 1
    # Between the first and the last alert, so that neither tells.
    raise_alarm(alarms, 1000, 0)
    clock.now += 1
    assert count() == 2
    raise_alarm(alarms, 995, 0)
    clock.now += 1
    assert count() == 2
    clock.now += 60
    assert count() == 3
    for second in (996, 997, 1001):
        raise_alarm(alarms, second, 0)
    clock.now += 1
    assert count() == 4


def test_an_alarm_in_detail_has_its_alerts_the_readings_about_it_and_earlier_ones(alarms):
    raise_alarm(alarms, 1000, 0)
    raise_alarm(alarms, 200, 0)
    raise_alarm(alarms, 300, 0)
    for second in (400, 710, 995):
        send(alarms, second, 0)

    found = store_alarm_list.detail(alarms, identity(alarms, 0, first_seen=at(990)), 60)

    assert found
    assert (found.alarm["sensor_id"], found.alarm["active"]) == ("sensor_0", True)
    assert [(one["timestamp"], one["threshold"]) for one in found.alerts] == [(at(1000), 35.0), (at(990), 35.0)]
    assert [one["timestamp"] for one in found.readings] == [at(1000), at(995), at(710)]
    assert [one["first_seen"] for one in found.earlier] == [at(300), at(200)]

    # One that it has taken in meanwhile stands for it, and what there is not is none.
    taken_in = store_alarm_list.detail(alarms, "sensor_0|too_hot|2026-03-01T12:16:40.000Z", 60)
    assert taken_in
    assert taken_in.alarm["_id"] == found.alarm["_id"]
    assert store_alarm_list.detail(alarms, "nonsense", 60) is None
    assert store_alarm_list.detail(alarms, "sensor_7|too_hot|2026-03-01T12:00:00.000Z", 60) is None


def test_no_question_reads_a_whole_collection_or_sorts_it(alarms):
    listing = lists(alarms)
    narrow = [
        Narrowing(),
        HUMID,
        Narrowing(priorities=("high",), rules=("too_hot",)),
        Narrowing(Selection((), ("office-lab",)), sensor="sensor_2"),
    ]

    def ask() -> None:
        for one in narrow:
            listing.listed(replace(WANTED, narrowing=one, state="any"))
        store_alarm_list.rules(alarms)
        store_alarm_list.detail(alarms, identity(alarms, 0), 60)

    done = explaining.profiled(alarms, ask)

    asked = {one["ns"].partition(".")[2] for one in done}
    assert asked == {"alarms", "sensors", "anomaly_alerts", "sensor_metrics"}
    explaining.require_indexes(alarms, done)


def test_active_ones_are_narrowed_alike_here_and_in_the_database(alarms):
    raise_alarm(alarms, 995, 7, alert_type="too_cold", alert_id="too_cold-7", priority="low")
    everything = store_alarm_list.active(alarms, Narrowing(), 60)

    for narrowing in (
        HUMID,
        Narrowing(Selection((), ("office-lab", "nowhere"))),
        Narrowing(priorities=("critical", "low")),
        Narrowing(rules=("too_cold",)),
        Narrowing(sensor="sensor_1"),
        Narrowing(Selection(("humidity",), ("office-lab",)), ("high",), ("too_hot",), "sensor_2"),
    ):
        found = store_alarm_list.active(alarms, narrowing, 60)
        assert [one for one in everything if narrowing.fits(one)] == found != []


def test_an_empty_database_has_no_alarms(target):
    found = lists(target).listed(replace(WANTED, state="any"))

    assert (found["rows"], found["matching"], found["counts"]) == ([], 0, {"active": [0, 0], "cleared": [0, 0]})

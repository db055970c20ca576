"""Alerts and alarms, against a real mongod."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby

import explaining
import pytest
import stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import START, STILL, STORED_AT, alert

from pipeline import store_alarms, store_queries, store_writes
from pipeline.store import Store
from pipeline.store_alarms import Acknowledged
from pipeline.store_documents import PRIORITIES
from pipeline.store_writes import Manner

LATER = Manner(batch=7, now=lambda: STORED_AT + timedelta(hours=1))
seconds = st.lists(st.integers(0, 400), min_size=1, max_size=14, unique=True)


def dump(target: Store) -> dict:
    return stored.dump(target.uri, target.database)


def write(target: Store, *alerts: dict, manner: Manner = STILL) -> None:
    assert store_alarms.write_alerts(target, alerts, 60, manner).refused == []


def spans(target: Store) -> list[tuple[str, str, float, float]]:
    """Sensor, rule, first and last second of each alarm."""
    found = [
        (
            one["sensor_id"],
            one["alert_type"],
            (one["first_seen"] - START).total_seconds(),
            (one["last"]["at"] - START).total_seconds(),
        )
        for one in dump(target)["alarms"]
    ]
    return sorted(found)


def expected_alarms(alerts: list[dict]) -> list[tuple[str, str, float, float, str, int]]:
    """Sensor, rule, first and last second, last alert, and worst priority of each alarm that the alerts make."""

    def key(one: dict) -> tuple[str, str]:
        return one["sensor_id"], one["alert_type"]

    alarms = []
    for (sensor, rule), those in groupby(sorted(alerts, key=lambda one: (*key(one), one["timestamp"])), key):
        runs: list[list[dict]] = []
        for one in those:
            if runs and (one["timestamp"] - runs[-1][-1]["timestamp"]).total_seconds() <= 60:
                runs[-1].append(one)
            else:
                runs.append([one])
        for run in runs:
            first, last = ((run[n]["timestamp"] - START).total_seconds() for n in (0, -1))
            worst = max(PRIORITIES[one["priority"]] for one in run)
            alarms.append((sensor, rule, first, last, run[-1]["alert_id"], worst))
    return sorted(alarms)


def stored_alarms(target: Store) -> list[tuple[str, str, float, float, str, int]]:
    details = {(one["sensor_id"], one["alert_type"], one["first_seen"]): one for one in dump(target)["alarms"]}
    return [
        (*span, one["last"]["alert_id"], one["worst_priority"])
        for span in spans(target)
        for one in [details[span[0], span[1], START + timedelta(seconds=span[2])]]
    ]


def test_alerts_close_together_are_one_alarm_and_a_later_one_is_another(target):
    write(target, alert(0, priority="low"), alert(60, priority="critical"), alert(110), alert(171))

    found = dump(target)
    assert len(found["anomaly_alerts"]) == 4
    assert spans(target) == [("sensor_0", "too_hot", 0, 110), ("sensor_0", "too_hot", 171, 171)]
    assert [one["worst_priority"] for one in found["alarms"]] == [4, 3]
    assert found["alarms"][0]["last"]["value"] == alert(110)["value"]


def test_sensors_and_rules_have_alarms_of_their_own(target):
    write(target, alert(0), alert(10, sensor=1), alert(20, rule="too_cold"))

    assert spans(target) == [
        ("sensor_0", "too_cold", 20, 20),
        ("sensor_0", "too_hot", 0, 0),
        ("sensor_1", "too_hot", 10, 10),
    ]


def test_the_same_alerts_again_change_nothing_not_even_the_time_of_storing(target):
    alerts = [alert(second, sensor=second % 3) for second in range(0, 300, 20)]
    write(target, *alerts)
    before = dump(target)

    written = store_alarms.write_alerts(target, alerts, 60, LATER)

    assert (written.stored, written.known) == (0, len(alerts))
    assert dump(target) == before


def test_alarms_that_a_crash_left_unwritten_are_made_by_the_repeated_write(target):
    alerts = [alert(0), alert(30), alert(200)]
    write(target, *alerts)
    before = dump(target)
    target.collection("alarms").delete_many({})

    write(target, *alerts)

    assert dump(target) == before


def test_a_writer_merges_into_the_alarms_at_its_end_or_when_it_holds_too_many_sensors(target, monkeypatch):
    alerts = [alert(second, sensor=second % 6) for second in range(0, 300, 5)]
    write(target, *alerts)
    expected = dump(target)
    for name in ("anomaly_alerts", "alarms"):
        target.collection(name).delete_many({})
    monkeypatch.setattr(store_alarms, "_KEYS_HELD", 4)
    writer = store_alarms.AlertsWriter(target, 60, STILL)

    writer.insert(alerts[:4])
    before = dump(target)["alarms"]
    writer.insert(alerts[4:30])
    between = dump(target)["alarms"]
    writer.insert(alerts[30:34])
    writer.insert(alerts[34:])
    writer.finish()

    assert before == []
    assert {one["sensor_id"] for one in between} == {one["sensor_id"] for one in expected["alarms"]}
    assert dump(target) == expected


def test_a_late_alert_moves_the_beginning_of_an_alarm(target):
    write(target, alert(100))

    write(target, alert(50))

    assert spans(target) == [("sensor_0", "too_hot", 50, 100)]
    assert dump(target)["alarms"][0]["_id"] == "sensor_0|too_hot|2026-03-01T12:00:50.000Z"


def test_a_late_alert_joins_two_alarms(target):
    write(target, alert(0), alert(100, priority="critical"))

    write(target, alert(50))

    assert spans(target) == [("sensor_0", "too_hot", 0, 100)]
    assert dump(target)["alarms"][0]["worst_priority"] == 4


def test_alarms_that_overlap_after_a_crash_are_joined_by_the_repeated_write(target):
    write(target, alert(0), alert(100))
    [early, late] = dump(target)["alarms"]
    write(target, alert(50))
    expected = dump(target)["alarms"]
    target.collection("alarms").insert_one(late)

    write(target, alert(50))

    assert dump(target)["alarms"] == expected
    assert early["_id"] == expected[0]["_id"]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds, st.randoms(use_true_random=False), st.integers(1, 6))
def test_alarms_are_the_same_in_whatever_order_and_parts_the_alerts_come(target, those, rng, size):
    alerts = [
        alert(second, sensor=second % 2, priority=rng.choice(list(PRIORITIES)), rule=rng.choice(("too_hot", "too|%")))
        for second in those
    ]
    for name in ("alarms", "anomaly_alerts"):
        target.collection(name).delete_many({})
    write(target, *alerts)
    at_once = dump(target)
    for name in ("alarms", "anomaly_alerts"):
        target.collection(name).delete_many({})
    rng.shuffle(alerts)

    for part in store_writes.batches([*alerts, *alerts[:3]], size):
        write(target, *part)

    assert dump(target) == at_once
    assert stored_alarms(target) == expected_alarms(alerts)


def test_alarms_are_right_when_several_write_alerts_of_one_sensor_at_once(target):
    rng = random.Random(7)
    for _ in range(5):
        for name in ("alarms", "anomaly_alerts"):
            target.collection(name).delete_many({})
        alerts = [alert(second, sensor=second % 2) for second in rng.sample(range(1500), 60)]
        shares = [alerts[n::4] for n in range(4)]

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda share: store_alarms.write_alerts(target, share, 60, Manner(batch=3)), shares))

        assert stored_alarms(target) == expected_alarms(alerts)


# --- what operators note ----------------------------------------------------------------------------------------------


def test_an_alarm_is_acknowledged_once_and_stays_so_whatever_alerts_come(target):
    write(target, alert(0))
    [alarm] = dump(target)["alarms"]

    first = store_alarms.acknowledge(target, [alarm["_id"]], "ada", START, "fan is on its way")
    second = store_alarms.acknowledge(target, [alarm["_id"]], "bob", START)
    write(target, alert(0), alert(30, priority="critical"))

    assert (first, second) == (Acknowledged(1, {}, 0), Acknowledged(0, {"ada": 1}, 0))
    [alarm] = dump(target)["alarms"]
    assert alarm["acknowledged"] == {"at": START, "by": "ada", "note": "fan is on its way"}
    assert alarm["worst_priority"] == 4


def test_what_was_noted_moves_on_with_an_alarm_whose_beginning_moves(target):
    write(target, alert(100))
    store_alarms.acknowledge(target, [dump(target)["alarms"][0]["_id"]], "ada", START)

    write(target, alert(50))

    [alarm] = dump(target)["alarms"]
    assert alarm["first_seen"] == START + timedelta(seconds=50)
    assert alarm["acknowledged"]["by"] == "ada"


def test_of_two_notes_on_alarms_that_are_joined_the_first_alarms_stays(target):
    write(target, alert(0), alert(100))
    early, late = (one["_id"] for one in dump(target)["alarms"])
    store_alarms.acknowledge(target, [late], "bob", START)
    store_alarms.acknowledge(target, [early], "ada", START + timedelta(seconds=9))

    write(target, alert(50))

    [alarm] = dump(target)["alarms"]
    assert alarm["acknowledged"]["by"] == "ada"


def test_acknowledging_an_alarm_that_was_taken_in_acknowledges_the_one_that_did(target):
    write(target, alert(0), alert(100))
    taken_in = dump(target)["alarms"][1]["_id"]
    write(target, alert(50))

    assert store_alarms.acknowledge(target, [taken_in], "ada", START) == Acknowledged(1, {}, 0)

    [alarm] = dump(target)["alarms"]
    assert alarm["acknowledged"]["by"] == "ada"


def test_a_note_made_while_an_alarm_is_taken_in_is_not_lost(target, monkeypatch):
    write(target, alert(0), alert(100))
    late = dump(target)["alarms"][1]["_id"]
    real_removal = store_alarms._removal

    def removal_after_a_note(alarm: dict):
        if alarm["_id"] == late:
            target.collection("alarms").update_one(
                {"_id": late, "acknowledged": {"$exists": False}},
                {"$set": {"acknowledged": {"at": START, "by": "ada"}}},
            )
        return real_removal(alarm)

    monkeypatch.setattr(store_alarms, "_removal", removal_after_a_note)
    write(target, alert(50))

    [alarm] = dump(target)["alarms"]
    assert spans(target) == [("sensor_0", "too_hot", 0, 100)]
    assert alarm["acknowledged"]["by"] == "ada"


def test_an_alert_that_another_writer_adds_while_an_alarm_is_taken_in_is_not_lost(target, monkeypatch):
    write(target, alert(0), alert(100))
    late = dump(target)["alarms"][1]
    real_removal = store_alarms._removal
    others = [alert(150)]

    def removal_after_another_alert(alarm: dict):
        if alarm["_id"] == late["_id"] and others:
            last = {**late["last"], "at": others[0]["timestamp"], "alert_id": others.pop()["alert_id"]}
            target.collection("alarms").update_one({"_id": late["_id"]}, {"$set": {"last": last}})
        return real_removal(alarm)

    monkeypatch.setattr(store_alarms, "_removal", removal_after_another_alert)
    write(target, alert(50))

    assert spans(target) == [("sensor_0", "too_hot", 0, 150)]


@pytest.mark.parametrize("alarm", ["nonsense", "sensor_9|too_hot|2026-03-01T12:00:00.000Z"])
def test_an_alarm_that_there_is_not_is_told_and_the_others_are_acknowledged(target, alarm):
    write(target, alert(0))
    there = dump(target)["alarms"][0]["_id"]

    assert store_alarms.acknowledge(target, [alarm, there], "ada", START) == Acknowledged(1, {}, 1)


def test_hundreds_are_acknowledged_at_once_by_few_questions_that_an_index_answers(target):
    write(target, *(alert(0, sensor=sensor) for sensor in range(500)), manner=Manner())
    all_of_them = [one["_id"] for one in target.collection("alarms").find()]

    done = explaining.profiled(target, lambda: store_alarms.acknowledge(target, all_of_them, "ada", START, "storm"))

    assert len(done) <= 4
    explaining.require_indexes(target, done)
    assert target.collection("alarms").count_documents({"acknowledged.by": "ada", "acknowledged.note": "storm"}) == 500


def test_of_several_who_acknowledge_the_same_at_once_each_alarm_has_one_and_the_others_are_told_who(target):
    write(target, *(alert(0, sensor=sensor) for sensor in range(300)), manner=Manner())
    all_of_them = [one["_id"] for one in target.collection("alarms").find()]
    people = ["ada", "bob", "cyd", "dan"]
    gate = threading.Barrier(len(people))

    def click(name: str) -> Acknowledged:
        gate.wait()
        return store_alarms.acknowledge(target, all_of_them, name, START)

    with ThreadPoolExecutor(len(people)) as pool:
        told = dict(zip(people, pool.map(click, people), strict=True))

    kept = Counter(one["acknowledged"]["by"] for one in dump(target)["alarms"])
    assert sum(kept.values()) == 300
    for name, one in told.items():
        assert one.done == kept[name]
        assert one.before == {other: count for other, count in kept.items() if other != name}
        assert one.gone == 0


# --- what is derived --------------------------------------------------------------------------------------------------


def test_an_alarm_is_active_while_its_sensors_readings_have_not_gone_on_for_long(target):
    write(target, alert(0), alert(30), alert(0, sensor=1), alert(500, sensor=2))
    newest = {"sensor_0": 90, "sensor_1": 61}
    for sensor, second in newest.items():
        reading = stored.readings(1)[0] | {"sensor_id": sensor, "timestamp": START + timedelta(seconds=second)}
        store_writes.write_readings(target, [reading], STILL)

    found = {one["sensor_id"]: one for one in store_queries.alarms(target, 60)}

    assert {name: (one["active"], one["count"]) for name, one in found.items()} == {
        "sensor_0": (True, 2),
        "sensor_1": (False, 1),
        # Nothing is known of its readings: the alarm is the newest that is known.
        "sensor_2": (True, 1),
    }


def test_the_newest_alarms_come_first_and_no_more_than_asked_for(target):
    write(target, *(alert(100 * n) for n in range(5)))

    found = store_queries.alarms(target, 60, limit=2)

    assert [(one["first_seen"] - START).total_seconds() for one in found] == [400, 300]


def test_an_alert_that_is_none_is_handed_back_and_the_others_make_alarms(target):
    alerts = [alert(0), alert(100) | {"priority": "urgent"}, alert(200) | {"sensor_id": 7}, alert(300)]

    written = store_alarms.write_alerts(target, alerts, 60, STILL)

    assert [one.record for one in written.refused] == [alerts[1], alerts[2]]
    assert [span[2:] for span in spans(target)] == [(0, 0), (300, 300)]

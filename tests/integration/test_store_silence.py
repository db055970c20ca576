"""Silent sensors as alarms: who is one, when it is over, and what an acknowledgement of it is worth."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import explaining
import stored
from stored import START

from pipeline import store_alarms, store_queries, store_writes
from pipeline.store import Store
from pipeline.store_faults import StoreUnavailable
from pipeline.store_silence import SilenceWatch
from pipeline.store_writes import Manner

LIMIT = 300.0


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def send(target: Store, second: float, *sensors: int, clock: float = 0.0) -> None:
    """Store a reading of each sensor at that second; `clock` is how far the sensors' clocks are ahead."""
    for sensor in sensors:
        [one] = stored.readings(1, start=at(second + clock))
        event_id = f"{round(1000 * second):08x}-0000-8000-8000-{sensor:012x}"
        reading = {**one, "sensor_id": f"sensor_{sensor}", "event_id": event_id}
        store_writes.write_readings(target, [reading], Manner(now=lambda: at(second)))


def listen(watch: SilenceWatch, since: float, until: float, step: float = 10.0, left: int = 0) -> None:
    """Let time go by while the job reads all that comes."""
    second = since
    while second <= until:
        watch.hear(at(second), left)
        second += step


def silent(target: Store) -> dict[str, dict[str, Any]]:
    """The alarms of silence, as they are shown, by sensor."""
    return {one["sensor_id"]: one for one in store_queries.alarms(target, 60) if one["alert_type"] == "silent"}


def test_a_sensor_that_sends_nothing_raises_one_alarm_which_ends_when_it_sends_again(target):
    send(target, 0, 0, 1)
    watch = SilenceWatch(target, LIMIT, 60)

    listen(watch, 0, 290)
    send(target, 295, 1)
    assert silent(target) == {}
    listen(watch, 300, 400)

    # then it is silent since its last reading, and however long it lasts, it is one alarm
    [(name, alarm)] = silent(target).items()
    assert (name, alarm["first_seen"], alarm["active"], alarm["count"]) == ("sensor_0", at(0), True, 1)
    assert alarm["last"]["message"] == "sensor_0 at warehouse-north has sent nothing for 300 s"
    assert alarm["last"]["priority"] == "high"
    listen(SilenceWatch(target, LIMIT, 60), 410, 800)
    assert silent(target)["sensor_0"]["count"] == 1

    # and sensor_1 by now as well; it is over at the first reading, an acknowledgement of it stays
    assert set(silent(target)) == {"sensor_0", "sensor_1"}
    assert store_alarms.acknowledge(target, [alarm["_id"]], "ada", at(500), "on its way").done == 1
    send(target, 820, 0)
    assert (silent(target)["sensor_0"]["active"], silent(target)["sensor_1"]["active"]) == (False, True)
    assert silent(target)["sensor_0"]["acknowledged"]["by"] == "ada"

    # its next silence is an alarm of its own, not acknowledged
    listen(watch, 810, 1200)
    both = [one for one in store_queries.alarms(target, 60) if one["sensor_id"] == "sensor_0"]
    assert [(one["first_seen"], one["active"], "acknowledged" in one) for one in both] == [
        (at(820), True, False),
        (at(0), False, True),
    ]


def test_only_time_in_which_the_job_listens_counts(target):
    send(target, 0, 0)

    # a job that has just begun, or that has a backlog, does not know
    watch = SilenceWatch(target, LIMIT, 60)
    listen(watch, 1000, 1290)
    watch.hear(at(1300), 7)
    listen(watch, 1310, 1600)
    assert silent(target) == {}

    # nor does one that could not read for a while: what came meanwhile may still be on its way
    listen(watch, 1900, 2190)
    assert silent(target) == {}
    watch.hear(at(2200), 0)
    assert set(silent(target)) == {"sensor_0"}


def test_a_clock_that_is_wrong_is_not_silence_nor_is_a_sensor_that_was_taken_away_long_ago(target):
    send(target, 0, 0, clock=-86_400)
    send(target, -8 * 86_400, 1)
    watch = SilenceWatch(target, LIMIT, 60)

    for second in range(0, 900, 10):
        if second % 100 == 0:
            send(target, second, 0, clock=-86_400)
        watch.hear(at(second), 0)

    assert silent(target) == {}


def test_a_late_reading_prolongs_the_same_alarm(target):
    send(target, 0, 0)
    watch = SilenceWatch(target, LIMIT, 60)
    listen(watch, 0, 400)
    store_alarms.acknowledge(target, [silent(target)["sensor_0"]["_id"]], "ada", at(400))

    # when one more of the readings before the silence comes
    send(target, 410, 0, clock=-405)
    assert not silent(target)["sensor_0"]["active"]
    listen(watch, 410, 800)

    [alarm] = silent(target).values()
    assert (alarm["first_seen"], alarm["last"]["at"], alarm["active"], alarm["count"]) == (at(0), at(5), True, 2)
    assert alarm["acknowledged"]["by"] == "ada"


def test_a_look_at_the_sensors_uses_an_index_and_writes_nothing_that_is_known(target):
    send(target, 0, *range(20))
    watch = SilenceWatch(target, LIMIT, 60)
    listen(watch, 0, 350)
    assert len(silent(target)) == 20

    done = explaining.profiled(target, lambda: listen(watch, 360, 460))

    assert {one["ns"].partition(".")[2] for one in done} == {"sensors"}
    explaining.require_indexes(target, done)


def test_what_an_outage_kept_from_being_written_is_written_later_and_what_cannot_be_stored_is_told(
    target, caplog, monkeypatch
):
    send(target, 0, 0)
    away = [StoreUnavailable("no MongoDB server answers")]
    real = store_alarms.write_alerts

    def write(*words: Any) -> Any:
        if away:
            raise away.pop()
        return real(*words)

    monkeypatch.setattr(store_alarms, "write_alerts", write)
    watch = SilenceWatch(target, LIMIT, 60)
    listen(watch, 0, 310)
    assert (silent(target), away, caplog.messages) == ({}, [], [])

    listen(watch, 320, 330)
    assert set(silent(target)) == {"sensor_0"}
    assert caplog.messages == ["silent sensors: nothing was heard of 1 for 300 s"]

    target.collection("anomaly_alerts").drop()
    target.open().create_collection("anomaly_alerts", validator={"$jsonSchema": {"required": ["nothing"]}})
    listen(SilenceWatch(target, LIMIT, 60), 340, 700)
    assert "is not kept" in caplog.text

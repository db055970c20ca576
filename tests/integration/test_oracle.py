"""The comparison of real producers' ledgers with a real mongod."""

from __future__ import annotations

import secrets
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import landed
import numpy as np
import pytest
from harness import LocalBroker
from landed import RULES, Contents
from stored import START, opened

from pipeline import event_ids, ledger, oracle, runtime, store_progress, verify_formats
from pipeline.ledger import RunRecord
from pipeline.oracle import LettersResult, RunResult, Verdict
from pipeline.oracle_windows import Kind
from pipeline.settings import inherited_environment
from pipeline.store import Store

PLAIN, OVERLAPPING, LATER, FAULTY = "00000000002a", "0000000000ff", "000000000001", "00000000fa17"
SHIFT = timedelta(seconds=7.5)
FAULTS = {"late-rate": 0.02, "late-by": 15, "duplicate-rate": 0.02, "malformed-rate": 0.02, "drop-rate": 0.02}


@dataclass(frozen=True)
class Produced:
    """A topic's contents and the ledger of those who filled it."""

    contents: Contents
    ledger: Path

    @property
    def runs(self) -> dict[str, RunRecord]:
        return ledger.read(self.ledger)


def produce(broker: LocalBroker, topic: str, book: Path, run: str, start: datetime, **options: Any) -> None:
    """Run a real producer of 20 sensors to its end."""
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    where = ("--servers", broker.servers, "--topic", topic, "--ledger", str(book))
    command = (sys.executable, str(runtime.ROOT / "producer.py"), *where, "--run", run, "--start", start.isoformat())
    done = subprocess.run(
        [*command, "--unpaced", "--seed", "1", "--sensors", "20", *words],
        env=inherited_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def produced(broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Produced:
    """Three runs without faults, of which two overlap in time."""
    topic, book = f"test-{secrets.token_hex(6)}", tmp_path_factory.mktemp("oracle") / "run.jsonl"
    produce(broker, topic, book, PLAIN, START, rate=100, count=2000)
    produce(broker, topic, book, OVERLAPPING, START + SHIFT, rate=100, count=2000)
    produce(broker, topic, book, LATER, START + timedelta(days=30, seconds=3), rate=10, count=50)
    return Produced(landed.read_contents(broker.servers, topic), book)


@pytest.fixture(scope="module")
def faulty(broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Produced:
    """A run with every fault on purpose."""
    topic, book = f"test-{secrets.token_hex(6)}", tmp_path_factory.mktemp("oracle") / "run.jsonl"
    produce(broker, topic, book, FAULTY, START, rate=50, count=4000, **FAULTS)
    return Produced(landed.read_contents(broker.servers, topic), book)


def only(verdict: Verdict) -> RunResult:
    [run] = verdict.runs
    return run


def test_runs_that_are_stored_whole_agree_with_every_window_that_is_stored(produced, target):
    windows = landed.land_windows(target, produced.contents.land(target))

    verdict = oracle.compare(target, produced.runs, list(produced.runs), RULES)

    assert verdict.agrees, verdict
    assert verdict.windows.kinds == {kind: len(windows) if kind == Kind.EQUAL else 0 for kind in Kind}
    assert [(run.readings, run.stored, run.missing, run.extra) for run in verdict.runs] == [
        (2000, 2000, 0, 0),
        (2000, 2000, 0, 0),
        (50, 50, 0, 0),
    ]


def test_windows_hold_the_readings_of_other_runs_too(produced, target):
    """Of two runs at once one is asked for: its first and its last windows hold readings of the other one."""
    windows = landed.land_windows(target, produced.contents.land(target))

    verdict = oracle.compare(target, produced.runs, [OVERLAPPING], RULES)

    first, last = START + SHIFT, START + SHIFT + timedelta(seconds=19.99)
    inside = [one for one in windows if one["window_start"] <= last and one["window_end"] > first]
    assert verdict.agrees, verdict
    assert verdict.windows.compared == len(inside) < len(windows)
    assert min(one["window_start"] for one in inside) < first


def test_windows_are_found_wanting_though_the_run_is_shorter_than_one(produced, target):
    landed.land_windows(target, produced.contents.land(target), seconds=3600)

    verdict = oracle.compare(target, produced.runs, [LATER], RULES)

    assert verdict.agrees, verdict
    assert 0 < verdict.windows.compared <= 72


@pytest.mark.parametrize("share", [0, 2, 1], ids=["none", "some", "all"])
def test_faults_on_purpose_are_no_disagreement_however_many_late_ones_the_windows_count(faulty, target, share):
    # given: windows that count none, every second, or all of the late readings
    record = faulty.runs[FAULTY]
    readings = faulty.contents.land(target)
    late = readings["event_id"].map({event_id: n for n, event_id in enumerate(late_ids(record))})
    counted = late.isna() | (late % share == 0 if share else False)
    landed.land_windows(target, readings[counted])

    # when
    verdict = oracle.compare(target, faulty.runs, [FAULTY], RULES)

    # then
    assert verdict.agrees, verdict
    run = only(verdict)
    assert (record.sent, record.acknowledged, run.readings) == (4000, 4000, 3840)
    assert (run.stored, run.missing, run.extra) == (3840, 0, 0)
    assert run.letters == LettersResult(expected=80, found=80, unplaced=0)
    assert (len(record.late), verdict.late) == (80, 80)
    assert verdict.windows.compared >= 160


def late_ids(record: RunRecord) -> list[str]:
    sensors, sequences = np.array(sorted(record.late)).T
    return event_ids.encode(record.about.run, sequences, sensors)


def test_what_is_missing_is_told_by_sensor_and_sequence(faulty, target):
    # given
    readings = faulty.contents.land(target)
    of_sensor = readings[readings["sensor_id"] == "sensor_07"].sort_values("sequence")
    gone = of_sensor.iloc[[3, 4, 5, 90]]
    with opened(target.uri, target.database) as database:
        where = {"sensor_id": "sensor_07", "sequence": {"$in": gone["sequence"].tolist()}}
        assert database["sensor_metrics"].delete_many(where).deleted_count == 4
        assert database["dead_letters"].delete_one({}).deleted_count == 1
    landed.land_windows(target, readings.drop(gone.index))

    # when
    verdict = oracle.compare(target, faulty.runs, [FAULTY], RULES)

    # then
    run = only(verdict)
    assert not verdict.agrees
    assert (run.missing, run.differing, run.extra) == (4, 1, 0)
    [sensor] = run.sensors
    assert (sensor.sensor, sensor.missing) == (7, 4)
    assert sensor.missing_ranges == ledger.to_ranges(gone["sequence"].tolist())
    assert run.letters == LettersResult(expected=80, found=79, unplaced=0)
    assert verdict.windows.agree


def test_a_dead_letter_whose_place_the_broker_did_not_tell_is_not_looked_for(faulty, target):
    landed.land_windows(target, faulty.contents.land(target))
    book = faulty.runs
    first, *_ = book[FAULTY].malformed
    book[FAULTY].malformed[first] = (-1, -1)

    verdict = oracle.compare(target, book, [FAULTY], RULES)

    assert only(verdict).letters == LettersResult(expected=79, found=79, unplaced=1)
    assert verdict.agrees


def test_more_than_the_ledger_knows_is_told_and_no_disagreement(produced, target, tmp_path):
    # given: a producer that was killed, so that its ledger lacks the last lines and half of one
    landed.land_windows(target, produced.contents.land(target))
    lines = produced.ledger.read_bytes().splitlines(keepends=True)
    last_entry = max(n for n, line in enumerate(lines) if b'"entry"' in line and OVERLAPPING.encode() in line)
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join([*lines[:last_entry], lines[last_entry][:30]]))
    runs = ledger.read(cut)
    known = runs[OVERLAPPING].readings

    # when
    verdict = oracle.compare(target, runs, [OVERLAPPING], RULES)

    # then
    run = only(verdict)
    assert verdict.agrees
    assert (run.readings, run.stored, run.missing, run.extra) == (known, 2000, 0, 2000 - known)
    assert known < 2000
    assert not run.record.ended
    assert runs[PLAIN].ended


def test_sliding_windows_are_recognised_by_what_is_stored(produced, target):
    windows = landed.land_windows(target, produced.contents.land(target), seconds=10, slide=4)

    verdict = oracle.compare(target, produced.runs, list(produced.runs), RULES)

    assert verdict.agrees, verdict
    assert verdict.windows.compared == len(windows)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"$inc": {"count": 1}}, Kind.TWICE),
        ({"$inc": {"count": -1}}, Kind.LESS),
        ({"$mul": {"avg": 1 + 1e-7}}, Kind.OTHER),
        ({"$mul": {"std": 1 + 1e-7}}, Kind.OTHER),
        ({"$inc": {"max": 0.01}}, Kind.OTHER),
        ({"$inc": {"min": -0.01}}, Kind.OTHER),
        (None, Kind.ABSENT),
    ],
)
def test_a_window_that_is_not_as_its_readings_say_is_told(produced, target, change, kind):
    # given
    landed.land_windows(target, produced.contents.land(target))
    with opened(target.uri, target.database) as database:
        windows = database["windowed_metrics"]
        before = windows.find_one({"count": {"$gt": 5}})
        assert before
        if change:
            windows.update_one({"_id": before["_id"]}, change)
        else:
            windows.delete_one({"_id": before["_id"]})

    # when
    verdict = oracle.compare(target, produced.runs, list(produced.runs), RULES)

    # then
    assert not verdict.agrees
    assert (verdict.windows.different, verdict.windows.kinds[kind]) == (1, 1)
    [example] = verdict.windows.examples
    assert (example.start, example.sensor_type, example.location, example.kind, example.expected) == (
        before["window_start"],
        before["sensor_type"],
        before["location"],
        kind,
        before["count"],
    )


def test_a_window_without_any_reading_counts_something_that_is_not_there(produced, target):
    readings = produced.contents.land(target)
    windows = landed.land_windows(target, readings)
    with opened(target.uri, target.database) as database:
        ghost = dict(windows[0], window_start=START, window_end=START + timedelta(seconds=10), stored_at=START)
        database["windowed_metrics"].insert_one({**ghost, "_id": "ghost", "location": "nowhere"})

    verdict = oracle.compare(target, produced.runs, [PLAIN], RULES)

    [example] = verdict.windows.examples
    assert (example.kind, example.location, example.expected) == (Kind.TWICE, "nowhere", 0)


def test_what_the_watermark_dropped_is_told_where_windows_lack_readings(produced, target):
    # given: the windows query dropped 40 readings that nobody made late on purpose
    readings = produced.contents.land(target)
    landed.land_windows(target, readings.drop(readings.sample(40, random_state=1).index))
    for query, batch, late in (("windows", 0, 30), ("windows", 1, 10), ("readings", 0, 7)):
        progress = {"query": query, "query_id": query, "batch_id": batch, "at": datetime.now(UTC)}
        store_progress.write_progress(target, progress, {"late": late})

    verdict = oracle.compare(target, produced.runs, list(produced.runs), RULES)

    assert not verdict.agrees
    assert (verdict.windows.lacking, verdict.dropped, verdict.late) == (40, 40, 0)


def test_readings_without_any_window_do_not_agree(produced, target):
    produced.contents.land(target)

    verdict = oracle.compare(target, produced.runs, [PLAIN], RULES)

    assert not verdict.agrees
    assert verdict.windows.problem == "no window is stored in the time of these readings"


def test_windows_of_two_lengths_cannot_be_compared(produced, target):
    readings = produced.contents.land(target)
    landed.land_windows(target, readings[readings["sensor_type"] == "humidity"], seconds=60)
    landed.land_windows(target, readings[readings["sensor_type"] != "humidity"])

    verdict = oracle.compare(target, produced.runs, [PLAIN], RULES)

    assert not verdict.agrees
    assert "several lengths are stored in this time (10 s, 60 s)" in str(verdict.windows.problem)


def test_a_run_of_which_nothing_is_stored_is_missing_whole(produced, target: Store):
    verdict = oracle.compare(target, produced.runs, [PLAIN], RULES)

    run = only(verdict)
    assert (run.missing, run.stored, run.differing, len(run.sensors)) == (2000, 0, 20, 20)
    assert not verdict.agrees


def test_each_alert_that_the_stored_readings_raise_has_to_be_stored(produced, target):
    landed.land_windows(target, produced.contents.land(target))
    ids = sorted(one["alert_id"] for one in produced.contents.alerts)
    assert len(ids) > 10
    whole = oracle.compare(target, produced.runs, list(produced.runs), RULES)
    assert whole.agrees
    assert (whole.alerts.expected, whole.alerts.missing, whole.alerts.extra) == (len(ids), 0, 0)

    # and when one is taken away, and one of a rule that the readings do not break is added
    with opened(target.uri, target.database) as database:
        alert = database["anomaly_alerts"].find_one_and_delete({"_id": ids[3]})
        wrong = alert | {"_id": ids[3].replace(alert["alert_type"], "co2_too_high"), "alert_type": "co2_too_high"}
        database["anomaly_alerts"].insert_one(wrong)
    lacking = oracle.compare(target, produced.runs, list(produced.runs), RULES)

    assert not lacking.agrees
    assert (lacking.alerts.missing, lacking.alerts.extra, lacking.alerts.examples) == (1, 1, [ids[3]])
    assert "alert missing" in verify_formats.sentence(lacking)

"""spark_job.py works off a topic and ends: what it leaves in MongoDB and Kafka, and what later starts do to it."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Completed, scripts
from jobs import START_SECONDS, Job, assert_ended_well, surroundings
from judged import Judged, judge, kafka_time
from stored import dump, opened
from topics import read_all, write_all
from windowed import windows_of

from pipeline import latency, ledger, rules, store_ids
from pipeline.event_ids import encode
from pipeline.events import DEAD_LETTER_LIMIT, decode_alert, parse_dead_letter
from pipeline.store_documents import VALUE_LIMIT
from tests.messages import message, refused_now

pytestmark = pytest.mark.timeout(4 * START_SECONDS)

RUN = "0000000005ee"
SENSORS, READINGS = 40, 3000
LIMIT = 1000
LATE, NOT_STORABLE = 5, 2
# Fields that tell when something was done.
CLOCKS = {"stored_at", "detected_at", "at"}
Document = dict[str, Any]


@dataclass(frozen=True)
class First:
    """A job's first run: the topic as Python judges it, and all that the run left behind."""

    job: Job
    runs: list[Completed]
    judged: Judged
    codes: dict[bytes | None, str]
    left: dict[str, list[Document]]
    alerts: list[Any]
    letters: list[Any]
    is_in_one_pass: bool

    def dump(self) -> dict[str, list[Document]]:
        return dump(self.job.target.uri, self.job.target.database)


QUERIES = ("readings", "windows", "router")
# All queries together are worked in one pass; one by one, each reads the topic for itself.
MANNERS: dict[str, list[tuple[str, ...]]] = {
    "in one pass": [()],
    "query by query": [("--queries", query) for query in QUERIES],
}


@pytest.fixture(scope="module", params=MANNERS)
def first(request, broker, mongod, tmp_path_factory) -> Iterator[First]:
    """The job run once over a topic that holds all there is to be told apart."""
    folder = tmp_path_factory.mktemp("job")
    with scripts(folder) as start, surroundings(start, broker.servers, mongod.uri, folder) as job:
        begin = datetime.now(UTC) - timedelta(seconds=60)
        job.produce(
            *("--run", RUN, "--seed", 5, "--start", begin.isoformat(), "--unpaced", "--ledger", folder / "run.jsonl"),
            *("--sensors", SENSORS, "--rate", 100, "--count", READINGS, "--anomaly-rate", 0.2),
            *("--duplicate-rate", 0.05, "--late-rate", 0.05, "--late-by", 1, "--malformed-rate", 0.02),
        )
        codes = refused_now(datetime.now(UTC))
        write_all(broker.servers, job.topic, codes, key=b"garbage")
        write_all(broker.servers, job.topic, [b"again"], headers=[("retry_count", b"2")])
        write_all(broker.servers, job.topic, not_storable(), key=b"odd")
        # At the end of the topic: the watermark of the batches before leaves no window for them.
        write_all(broker.servers, job.topic, late_readings(), key=b"late")
        # Where it is started is another package of the same name as ours.
        (folder / "pipeline").mkdir()
        (folder / "pipeline" / "__init__.py").write_text("raise ImportError('another one')")
        runs = [
            job.run("--available-now", "--max-offsets-per-trigger", LIMIT, *words) for words in MANNERS[request.param]
        ]
        outputs = (read_all(broker.servers, name) for name in (job.alerts_topic, job.dead_letter_topic))
        left = dump(job.target.uri, job.target.database)
        is_in_one_pass = len(runs) == 1
        yield First(job, runs, judge(broker.servers, job.topic), codes, left, *outputs, is_in_one_pass)


def own_reading(at: datetime, **changes: str) -> bytes:
    fields = {"event_id": f'"{uuid.uuid4()}"', "timestamp": f'"{at.isoformat()}"', "sensor_type": '"flow"'}
    return message(**{**fields, **changes})


def not_storable() -> list[bytes]:
    """Readings that keep the contract and that BSON cannot hold: a number beyond 64 bits, a name with a NUL."""
    now = datetime.now(UTC)
    return [own_reading(now, metadata='{"a":123456789012345678901}'), own_reading(now, metadata='{"a\\u0000b":1}')]


def late_readings() -> list[bytes]:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    return [own_reading(hour_ago + timedelta(seconds=number)) for number in range(LATE)]


def without_clocks(documents: list[Document]) -> dict[Any, Document]:
    """Documents by `_id`, without the times at which they were written."""
    found = {one["_id"]: {name: value for name, value in one.items() if name not in CLOCKS} for one in documents}
    assert len(found) == len(documents)
    return found


def is_storable(reading: Any) -> bool:
    return reading.metadata is None or not {"a", "a\0b"} & reading.metadata.keys()


def not_stored(first: First) -> set[str]:
    return {one.event_id for one in first.judged.readings.values() if not is_storable(one)}


def test_it_ends_well_and_tells_what_was_refused_and_what_came_late(first):
    for done in first.runs:
        assert_ended_well(done)
        assert "the job runs, after " in done.stderr
    said = "".join(done.stderr for done in first.runs)
    assert said.count("messages were refused; see them with 'consumer.py --dead-letters'") >= 1
    assert said.count(f"{LATE} readings came later than the watermark allows") == 1


def test_every_acknowledged_reading_is_stored_once_with_its_fields(first):
    # given
    acknowledged = ledger.read(first.job.folder / "run.jsonl")[RUN].ranges
    places = [(sensor, i) for sensor, ranges in acknowledged.items() for a, b in ranges for i in range(a, b + 1)]
    sensors, sequences = (np.array(column) for column in zip(*places, strict=True))
    wanted = set(encode(RUN, sequences, sensors))
    assert len(wanted) == READINGS * 0.98

    # when
    stored = {store_ids.event_id(one["_id"]): one for one in first.left["sensor_metrics"]}

    # then
    assert {event_id for event_id in stored if event_id.startswith("00000000-05ee-")} == wanted
    assert len(stored) == len(first.left["sensor_metrics"]) == len(wanted) + LATE
    for place, reading in first.judged.distinct.values():
        if not is_storable(reading):
            continue
        found = stored[reading.event_id]
        for name in ("run", "sequence", "sensor_id", "sensor_type", "value", "unit", "location", "status", "metadata"):
            assert found.get(name) == getattr(reading, name)
        moment = reading.event_time
        assert found["timestamp"] == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        assert (found["partition"], found["offset"]) == place
        assert found["kafka_timestamp"] == kafka_time(first.judged.records[place])
        assert timedelta(0) <= found["stored_at"] - found["kafka_timestamp"] < timedelta(hours=1)


def test_every_refused_message_is_a_dead_letter_in_mongodb(first):
    letters = {(one["partition"], one["offset"]): one for one in first.left["dead_letters"]}
    not_stored = {place for place, reading in first.judged.readings.items() if not is_storable(reading)}

    assert len(not_stored) == NOT_STORABLE
    assert letters.keys() == first.judged.refused.keys() | not_stored
    assert len(letters) == len(first.left["dead_letters"]) > len(first.codes) > 150
    for place, letter in letters.items():
        record = first.judged.records[place]
        assert letter["_id"] == f"{first.job.topic}-{place[0]}-{place[1]}"
        assert letter["topic"] == first.job.topic
        assert letter.get("key") == record.key()
        assert letter["reason"]
        assert letter["kafka_timestamp"] == kafka_time(record)
        if place in not_stored:
            assert letter["code"] == "not_storable"
            assert json.loads(letter["value"])["sensor_type"] == "flow"
            continue
        value = record.value()
        assert letter["code"] == first.judged.refused[place]
        assert letter["code"] == first.codes.get(value, letter["code"])
        assert letter.get("value") == (None if value is None else value[:VALUE_LIMIT])
        assert letter.get("size") == (None if value is None else len(value))
        assert letter["retry_count"] == (2 if value == b"again" else 0)


def test_every_refused_message_is_a_dead_letter_on_the_topic(first):
    letters = {}
    for record in first.letters:
        letter = parse_dead_letter(record.key(), record.value(), record.headers())
        assert letter.original_topic == first.job.topic
        letters[letter.original_partition, letter.original_offset] = letter

    assert len(letters) == len(first.letters)
    assert letters.keys() == first.judged.refused.keys()
    for place, letter in letters.items():
        record = first.judged.records[place]
        value = record.value()
        assert letter.error.startswith(f"{first.judged.refused[place]}: ")
        assert letter.key == record.key()
        assert letter.value == (None if value is None else value[:DEAD_LETTER_LIMIT])
        assert letter.retry_count == (2 if value == b"again" else 0)


def test_the_alerts_on_the_topic_are_what_the_rules_make_of_the_readings(first):
    def comparable(alert: Any) -> tuple[Any, ...]:
        values = [getattr(alert, name) for name in alert.__struct_fields__ if name not in {"timestamp", "detected_at"}]
        return (*values, datetime.fromisoformat(alert.timestamp))

    wanted = first.judged.alerts(rules.load(None))
    found = [decode_alert(record.value()) for record in first.alerts]

    assert len({one.alert_type for one in wanted}) >= 5
    assert Counter(map(comparable, found)) == Counter(map(comparable, wanted))
    assert {record.key().decode() for record in first.alerts} == {one.sensor_id for one in wanted}


def test_alerts_alarms_and_sensors_are_what_the_store_makes_of_the_same_records(first, target):
    storable = {place: one for place, one in first.judged.readings.items() if is_storable(one)}
    Judged(storable, {}, first.judged.records).store(target, rules.load(None))

    wanted = dump(target.uri, target.database)

    for name in ("sensor_metrics", "sensors", "anomaly_alerts", "alarms"):
        assert wanted[name], name
        assert without_clocks(first.left[name]) == without_clocks(wanted[name]), name


def test_the_windows_are_what_pandas_computes_with_repeats_counted_once(first):
    frame = first.judged.frame()
    in_time = frame[frame["timestamp"] > datetime.now(UTC) - timedelta(minutes=40)]
    assert len(frame) - len(in_time) == LATE
    if first.is_in_one_pass:
        # What is not stored counts in no window either.
        in_time = in_time[~in_time["event_id"].isin(not_stored(first))]
    assert len(first.judged.readings) > len(frame) + 100
    wanted = {(one["window_start"], one["sensor_type"], one["location"]): one for one in windows_of(in_time)}

    found = {(one["window_start"], one["sensor_type"], one["location"]): one for one in first.left["windowed_metrics"]}

    assert found.keys() == wanted.keys()
    assert len(found) == len(first.left["windowed_metrics"])
    for key, one in found.items():
        assert one["_id"] == store_ids.window_id(*key)
        assert one["window_end"] - one["window_start"] == timedelta(seconds=10)
        assert [one[name] for name in ("count", "min", "max")] == [wanted[key][n] for n in ("count", "min", "max")]
        np.testing.assert_allclose(
            [one["avg"], one["std"]], [wanted[key]["avg"], wanted[key]["std"]], rtol=1e-9, atol=1e-9
        )


def test_the_totals_count_what_became_of_the_messages(first):
    distinct = first.judged.distinct
    repeats = len(first.judged.readings) - len(distinct)

    totals = {one["query"]: one["counts"] for one in first.left["pipeline_totals"]}

    assert totals["readings"] == {
        "stored": len(distinct) - NOT_STORABLE,
        "known": repeats,
        "refused": len(first.judged.refused) + NOT_STORABLE,
        "alerts": len(first.judged.alerts(rules.load(None))),
    }
    refused: dict[str, int] = {}
    for batch in reported(first, "readings"):
        refused = latency.added(refused, batch.get("refused_by_code", {}))
    assert refused == Counter([*first.judged.refused.values(), *["not_storable"] * NOT_STORABLE])
    assert totals["windows"]["late"] == LATE
    assert sum(one["duplicates"] for one in reported(first, "windows")) == repeats
    assert totals["windows"]["stored"] >= len(first.left["windowed_metrics"])


def reported(first, query):
    """The batches of a query that have ended, in their order; the others only give a sign of life."""
    batches = (one for one in first.left["pipeline_progress"] if one["query"] == query and "rows" in one)
    return sorted(batches, key=batch_id)


def test_the_progress_tells_each_batch_its_size_and_that_nothing_is_left(first):
    for query in QUERIES:
        batches = reported(first, query)

        assert sum(one["rows"] for one in batches) == len(first.judged.records), query
        assert max(one["rows"] for one in batches) <= LIMIT, query
        assert [one["batch_id"] for one in batches] == list(range(len(batches))), query
        assert batches[-1]["lag"] == 0, query
        assert batches[-1]["lag_by_partition"].keys() == {"0", "1", "2"}, query
        assert batches[0]["lag"] == len(first.judged.records) - batches[0]["rows"], query
        assert all(one["batch_seconds"] > 0 for one in batches), query


def test_the_watermark_follows_the_newest_reading_at_its_distance(first):
    windows = reported(first, "windows")
    watermarks = [one["watermark"] for one in windows if "watermark" in one]
    moments = [one.event_time for one in first.judged.readings.values()]
    instants = {one.replace(microsecond=one.microsecond // 1000 * 1000) for one in moments}

    # The first batch knows none yet.
    assert len(watermarks) == len(windows) - 1 >= 3
    assert watermarks == sorted(watermarks)
    assert {watermark + timedelta(minutes=2) for watermark in watermarks} <= instants


def batch_id(progress: Document) -> int:
    return progress["batch_id"]


def test_verify_finds_everything(first):
    where = ("--mongo-uri", first.job.target.uri, "--database", first.job.target.database)

    done = first.job.start_script("verify.py", "--ledger", "run.jsonl", *where).wait()

    assert done.code == 0, done.stdout + done.stderr
    assert (
        "Everything that was acknowledged is stored, nothing counts twice, and windows and alerts agree" in done.stdout
    )


# --- later starts, in this order -------------------------------------------------------------------------------------


def forget(checkpoint: Path, batch: int) -> None:
    """Make a query's checkpoint one that was left in the middle of a batch: begun, and not ended."""
    for folder, first_forgotten in (("commits", batch), ("offsets", batch + 1)):
        for number in range(first_forgotten, first_forgotten + 10):
            (checkpoint / folder / str(number)).unlink(missing_ok=True)
            (checkpoint / folder / f".{number}.crc").unlink(missing_ok=True)
    assert (checkpoint / "offsets" / str(batch)).exists()


def lasting(left: dict[str, list[Document]]) -> dict[str, list[Document]]:
    """What a start that finds nothing new leaves as it is; of the totals, all but their time."""
    totals = [{name: value for name, value in one.items() if name != "at"} for one in left["pipeline_totals"]]
    return {**left, "pipeline_progress": [], "pipeline_totals": totals}


def test_a_second_run_and_a_replayed_batch_change_nothing(first):
    # given that the last batch of each query that writes to MongoDB was begun and not ended
    last = {
        query: max(one["batch_id"] for one in reported(first, query) if one["rows"])
        for query in ("readings", "windows")
        if (first.job.checkpoint / query).exists()
    }
    assert "windows" in last
    for query, batch in last.items():
        forget(first.job.checkpoint / query, batch)

    replayed = first.job.run("--available-now", "--max-offsets-per-trigger", LIMIT)

    assert_ended_well(replayed)
    assert lasting(first.dump()) == lasting(first.left)
    for query, batch in last.items():
        assert (first.job.checkpoint / query / "commits" / str(batch)).exists()


@pytest.mark.parametrize("first", ["in one pass"], indirect=True)
def test_another_window_is_refused(first):
    done = first.job.run("--available-now", "--window", "20s")

    assert done.code == 2
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("  ✓ ")]
    difference = "with --window 10 s, and now it is --window 20 s"
    assert line.startswith(f"spark_job.py: the checkpoint {first.job.checkpoint} was made {difference}")
    assert "go back to it, or name another --checkpoint" in line
    assert done.stdout == ""
    assert lasting(first.dump()) == lasting(first.left)


@pytest.mark.parametrize("first", ["in one pass"], indirect=True)
def test_a_job_can_do_a_part_of_the_work(first, tmp_path):
    other = f"{first.job.target.database}_part"
    words = ("--queries", "windows", "--checkpoint", tmp_path / "checkpoint", "--database", other)
    uri = first.job.target.uri
    before = len(read_all(first.job.servers, first.job.alerts_topic))
    try:
        # In the same batches, so that the same readings come too late.
        done = first.job.run("--available-now", "--max-offsets-per-trigger", LIMIT, *words)

        assert_ended_well(done)
        part = dump(uri, other)
        here, there = (without_clocks(one["windowed_metrics"]) for one in (part, first.left))
        # It does not know what MongoDB does not take.
        odd = {name for name, one in here.items() if one["sensor_type"] == "flow"}
        assert here.keys() - odd == there.keys() - odd != set()
        assert {one["query"] for one in part["pipeline_progress"]} == {"windows"}
        assert [name for name in ("sensor_metrics", "anomaly_alerts", "dead_letters") if part[name]] == []
        assert len(read_all(first.job.servers, first.job.alerts_topic)) == before
    finally:
        with opened(uri, other) as database:
            database.client.drop_database(other)


def test_what_was_worked_in_one_pass_goes_on_in_two_queries(broker, mongod, tmp_path):
    with scripts(tmp_path) as start, surroundings(start, broker.servers, mongod.uri, tmp_path) as job:
        limited = ("--available-now", "--max-offsets-per-trigger", LIMIT)
        produce_more(job)
        assert_ended_well(job.run(*limited))
        assert {one.name for one in job.checkpoint.iterdir() if one.is_dir()} == {"windows"}
        # given that its last batch was begun and not ended, and that there is more
        progress = dump(job.target.uri, job.target.database)["pipeline_progress"]
        forget(job.checkpoint / "windows", max(batch_id(one) for one in progress if one.get("rows")))
        produce_more(job)
        first_alerts = len(read_all(job.servers, job.alerts_topic))

        refused = job.run(*limited, "--queries", "readings")
        assert_ended_well(job.run(*limited, "--queries", "router"))
        assert_ended_well(job.run(*limited))

        assert refused.code == 2
        [line] = [line for line in refused.stderr.splitlines() if not line.startswith("  ✓ ")]
        assert line == (
            f"spark_job.py: --queries readings: in the checkpoint {job.checkpoint} readings and windows are one query: "
            "name both, or another --checkpoint"
        )
        # Each goes on behind what was ended in one pass, as the same query: the batch in the middle is told once.
        left = dump(job.target.uri, job.target.database)
        rows = Counter(
            {
                query: sum(one.get("rows", 0) for one in left["pipeline_progress"] if one["query"] == query)
                for query in QUERIES
            }
        )
        assert rows == dict.fromkeys(QUERIES, 2 * READINGS)
        [total] = [one["counts"] for one in left["pipeline_totals"] if one["query"] == "readings"]
        assert (total["stored"], total["known"]) == (2 * READINGS, 0)
        judged = judge(job.servers, job.topic)
        assert len(left["sensor_metrics"]) == len(judged.distinct) == 2 * READINGS
        assert sum(one["count"] for one in left["windowed_metrics"]) == 2 * READINGS
        wanted = {one.alert_id for one in judged.alerts(rules.load(None))}
        assert {one["_id"] for one in left["anomaly_alerts"]} == wanted
        sent = Counter(decode_alert(record.value()).alert_id for record in read_all(job.servers, job.alerts_topic))
        assert sent.keys() == wanted
        # Of the first three batches the alerts of the one in the middle of which it was come again.
        assert max(sent.values()) == 2
        assert 0 < sum(count == 2 for count in sent.values()) < first_alerts / 2 < len(wanted) / 2


def produce_more(job: Job) -> None:
    begin = datetime.now(UTC) - timedelta(seconds=60)
    fleet = ("--sensors", SENSORS, "--rate", 100, "--count", READINGS, "--anomaly-rate", 0.2)
    job.produce(*fleet, "--start", begin.isoformat(), "--unpaced")

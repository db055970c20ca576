"""What is done with records in one pass, against a real mongod and a real broker, and what comes of their faults."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from harness import free_port
from hypothesis import given
from hypothesis import strategies as st
from readings import some_readings
from stored import opened
from topics import read_all

from pipeline import rules, spark_outbox
from pipeline.broker import Connection, alerts_topic, dead_letter_topic, ensure_topics
from pipeline.events import (
    DEAD_LETTER_KEY_LIMIT,
    DEAD_LETTER_LIMIT,
    decode_alert,
    decode_reading,
    encode,
    parse_dead_letter,
)
from pipeline.spark_errors import TaskError, TaskOutage
from pipeline.spark_pass import MOST_ENDS, Done, PassTask, first_ends, observed
from pipeline.spark_router import RouterTask
from pipeline.spark_tasks import MeasurementsTask, Outcome, ReadingsTask
from pipeline.store import Store
from pipeline.store_ids import event_id
from tests.messages import KAFKA_TIMESTAMP_MS, MAX_AHEAD

# Milliseconds.
WINDOW, SLIDE = 10_000, 10_000


@dataclass(frozen=True)
class Topics:
    """A broker with topics for alerts and dead letters."""

    servers: str
    alerts: str
    letters: str


@pytest.fixture
def topics(broker) -> Topics:
    name = secrets.token_hex(6)
    made = Topics(broker.servers, f"alerts-{name}", f"letters-{name}")
    ensure_topics(Connection(made.servers), [alerts_topic(made.alerts), dead_letter_topic(made.letters)], timeout=30)
    return made


@pytest.fixture
def task(target: Store, topics: Topics) -> PassTask:
    chosen = rules.load(None)
    return PassTask(
        ReadingsTask(target, chosen, 60.0, MAX_AHEAD),
        WINDOW,
        SLIDE,
        RouterTask(chosen, topics.alerts, topics.letters, MAX_AHEAD),
        Connection(topics.servers),
    )


def record(value: bytes | None, offset: int, at: int = KAFKA_TIMESTAMP_MS) -> dict[str, Any]:
    """A row of `transforms.records`."""
    place = {"topic": "sensor-data", "partition": 0, "offset": offset, "key": b"sensor_1", "retry_count": 3}
    return {**place, "value": value, "kafka_timestamp": at}


def records() -> list[dict[str, Any]]:
    """Four readings of which the first breaks a rule, one of them twice, and what is no reading."""
    some = some_readings(4)
    hot = msgspec.structs.replace(some[0], sensor_type="temperature", value=1000.0)
    values = [encode(hot), *map(encode, some[1:]), b"{oops", encode(some[1]), None]
    arrival = round(1000 * some[0].event_time.timestamp()) + 5
    return [record(value, offset, arrival) for offset, value in enumerate(values)]


def done(task: PassTask, *parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    schema = pa.RecordBatch.from_pylist(records()).schema
    found = list(task(pa.RecordBatch.from_pylist(part, schema=schema) for part in parts))
    assert all(batch.schema.names == [one.split()[0] for one in PassTask.SCHEMA.split(", ")] for batch in found)
    return [row for batch in found for row in batch.to_pylist()]


def report(*done: str) -> dict[str, Any]:
    """A report of Spark's, as far as the outcomes of its tasks go."""
    return {"observedMetrics": {"pass": {"outcomes": list(done)}}}


def test_everything_is_done_that_three_queries_would_do(task, topics, target):
    all_records = records()

    *measured, last = done(task, all_records[:3], all_records[3:])

    # All readings but the one that came a second time.
    assert [{**one, "outcome": None} for one in rows_of(all_records[:4])] == measured
    assert {name for name, value in last.items() if value is not None} == {"outcome"}
    told = observed(report(last["outcome"]))
    assert (told.duplicates, sum(told.ends.values())) == (1, 4)
    outcome = told.outcome
    assert outcome.counts() == {"stored": 4, "known": 1, "refused": 2, "alerts": len(alerts_of(all_records))}
    assert outcome.counts_within()["refused_by_code"] == {"not_json": 1, "null_message": 1}
    with opened(target.uri, target.database) as database:
        stored = {event_id(one["_id"]) for one in database["sensor_metrics"].find()}
        assert stored == {decode_reading(one["value"]).event_id for one in all_records[:4]}
        assert {one["_id"] for one in database["anomaly_alerts"].find()} == set(alerts_of(all_records))
        assert {one["offset"] for one in database["dead_letters"].find()} == {4, 6}
    sent = read_all(topics.servers, topics.alerts)
    assert sorted(decode_alert(one.value()).alert_id for one in sent) == alerts_of(all_records)
    assert {one.key() for one in sent} == {decode_alert(one.value()).sensor_id.encode() for one in sent}
    letters = [
        parse_dead_letter(one.key(), one.value(), one.headers()) for one in read_all(topics.servers, topics.letters)
    ]
    assert [(one.original_offset, one.value, one.retry_count) for one in letters] == [(4, b"{oops", 3), (6, None, 3)]


def alerts_of(all_records: list[dict[str, Any]]) -> list[str]:
    router = RouterTask(rules.load(None), "alerts", "letters", MAX_AHEAD)
    [rows] = router(iter([pa.RecordBatch.from_pylist(all_records)]))
    found = [decode_alert(one["value"]).alert_id for one in rows.to_pylist() if one["topic"] == "alerts"]
    assert found
    return sorted(found)


def test_more_messages_than_the_outbox_holds_are_all_sent(task, topics, monkeypatch):
    monkeypatch.setattr(spark_outbox, "BUFFER", 10)
    refused = [record(b"no JSON", offset) for offset in range(200)]

    done(task, refused[:150], refused[150:])

    letters = read_all(topics.servers, topics.letters)
    assert len(letters) == len(refused)


def test_no_records_are_no_outage_and_an_empty_outcome(task):
    [last] = done(task)

    assert observed(report(last["outcome"])) == Done()


def test_what_all_tasks_did_adds_up_and_an_idle_query_has_done_nothing():
    one = Done(Outcome(stored=1, known=2), 2, Counter({"1000": 1}), partition=1, at=5.0)
    other = Done(Outcome(stored=10, refused=4), 1, Counter({"1000": 6, "2000": 4}), partition=2, at=5.0)

    together = Done(Outcome(11, 2, 4), 3, Counter({"1000": 7, "2000": 4}))
    assert observed(report(one.text(), other.text())) == together
    assert observed({}) == observed({"observedMetrics": {}}) == Done()


def test_a_task_that_was_done_again_is_told_once(task):
    all_records = records()
    first = measured(task, all_records)[1]
    again = measured(task, all_records)[1]
    assert (first.outcome.stored, again.outcome.stored) == (4, 0)

    for order in ((first, again), (again, first)):
        told = observed(report(*(one.text() for one in order)))
        assert told.counted(datetime.now(UTC)) == first.counted(datetime.now(UTC))
        assert told.outcome.counts() == first.outcome.counts()
        assert told.outcome.counts_within() == first.outcome.counts_within()


def rows_of(some_records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The measurements in records, of which none is left out."""
    [found] = MeasurementsTask(MAX_AHEAD)(iter([pa.RecordBatch.from_pylist(some_records)]))
    return found.drop_columns("event_id").to_pylist()


def measured(task: PassTask, *parts: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Done]:
    *found, last = done(task, *parts)
    assert {one.pop("outcome") for one in found} <= {None}
    return found, Done.of(last["outcome"])


def test_records_that_are_read_again_count_again_and_others_of_the_same_readings_do_not(task):
    all_records = records()[:4]
    first, told = measured(task, all_records[:2], all_records[2:])
    elsewhere = [{**one, "partition": 1} for one in all_records]
    later = [{**one, "offset": 100 + one["offset"]} for one in all_records]
    # A topic that was made anew has the same places.
    anew = [{**one, "kafka_timestamp": one["kafka_timestamp"] + 1} for one in all_records]

    assert (first, told.duplicates) == (rows_of(all_records), 0)
    for again in (all_records, [*all_records, *elsewhere], [*all_records[:2], *later, *all_records[2:]]):
        found, told = measured(task, again)
        assert (found, told.duplicates) == (first, len(again) - 4)
        assert (told.outcome.stored, told.outcome.known) == (0, len(again))
    for others in (elsewhere, later, anew):
        assert measured(task, others[:3], others[3:])[0] == []


def test_of_two_records_of_a_reading_the_stored_one_counts_whichever_comes_first_later(task):
    one = records()[1]
    other = {**one, "partition": 2, "offset": 77}

    assert measured(task, [other])[0] == measured(task, [one, other])[0] == measured(task, [other, one])[0] != []


def test_a_reading_that_mongodb_does_not_take_counts_in_no_window(task):
    some = some_readings(2)
    odd = msgspec.structs.replace(some[0], metadata={"a\0b": 1})
    arrival = round(1000 * some[0].event_time.timestamp()) + 5
    both = [record(encode(one), offset, arrival) for offset, one in enumerate((odd, some[1]))]

    found, told = measured(task, both)

    assert found == rows_of(both[1:])
    assert (told.outcome.stored, told.outcome.refused) == (1, 1)


@given(
    st.lists(st.integers(946_684_800_000_000, 4_102_444_800_000_000), max_size=50),
    st.integers(1, 100_000).flatmap(lambda slide: st.tuples(st.just(slide), st.integers(slide, 10 * slide))),
)
def test_the_first_window_of_a_reading_is_the_earliest_that_has_it(moments, shape):
    slide, window = shape

    found = first_ends(pa.array(moments, pa.timestamp("us", "UTC")), window, slide)

    def has(end: int, moment: int) -> bool:
        return 1000 * (end - window) <= moment < 1000 * end

    ends = [next(end for end in starts(moment, slide, window) if has(end, moment)) for moment in moments]
    assert found == Counter(map(str, ends))


def starts(moment: int, slide: int, window: int) -> Iterator[int]:
    """The ends of windows, from one that certainly lies before a moment on."""
    first = (moment // 1000 - window) // slide * slide
    return (first + window + number * slide for number in range(window // slide + 3))


def test_late_is_what_has_a_window_that_was_closed_and_nothing_before_there_is_a_watermark():
    done = Done(Outcome(), 4, Counter({"10000": 3, "20000": 5, "30000": 7}))

    assert done.counted(None) == {"duplicates": 4, "late": 0}
    late = {seconds: done.counted(datetime.fromtimestamp(seconds, UTC))["late"] for seconds in (9.999, 10, 29.999, 30)}
    assert late == {9.999: 0, 10: 3, 29.999: 8, 30: 15}


def test_readings_of_very_many_windows_are_told_in_so_many_counts():
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number) for number in range(3 * MOST_ENDS)]

    found = first_ends(pa.array(hours, pa.timestamp("us", "UTC")), WINDOW, SLIDE)

    assert len(found) == MOST_ENDS
    assert sum(found.values()) == len(hours)
    oldest = min(found, key=int)
    assert found[oldest] == 2 * MOST_ENDS + 1
    assert int(oldest) == round(1000 * hours[2 * MOST_ENDS].timestamp()) + WINDOW


def test_without_a_router_nothing_is_sent(task, topics):
    measured(replace(task, router=None, link=Connection("nowhere:1")), records())

    assert read_all(topics.servers, topics.alerts) == read_all(topics.servers, topics.letters) == []


def measured_of(task: PassTask, of: list[dict[str, Any]] | None = None) -> Iterator[dict[str, Any]]:
    for batch in task(iter([pa.RecordBatch.from_pylist(of or records())])):
        yield from batch.to_pylist()


def test_where_mongodb_is_away_it_is_an_outage_and_nothing_is_sent(task, topics):
    nowhere = Store(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200", "test")
    away = replace(task, readings=replace(task.readings, store=nowhere))

    with pytest.raises(TaskOutage, match=r"^no MongoDB server answers at "):
        list(measured_of(away))

    assert read_all(topics.servers, topics.alerts) == []


def test_where_the_broker_is_away_it_is_an_outage_after_all_was_stored(task, target, monkeypatch):
    monkeypatch.setattr(spark_outbox, "PATIENCE_SECONDS", 0.3)
    servers = f"127.0.0.1:{free_port()}"
    away = replace(task, link=Connection(servers))
    found: list[dict[str, Any]] = []

    with pytest.raises(TaskOutage, match=f"^the broker at {servers} has not taken what we sent to "):
        found.extend(measured_of(away))

    assert all(one["outcome"] is None for one in found)
    with opened(target.uri, target.database) as database:
        assert database["sensor_metrics"].count_documents({}) == 4


def test_what_mongodb_refuses_only_a_person_can_mend(task, target):
    with opened(target.uri, target.database) as database:
        database.command("collMod", "anomaly_alerts", validator={"nobody": {"$exists": True}})

    with pytest.raises(TaskError, match=r"^MongoDB does not take what we made: .*see that mongo-schema\.json is ours$"):
        list(measured_of(task))


def test_what_the_broker_refuses_only_a_person_can_mend(task, topics, monkeypatch: pytest.MonkeyPatch):
    # given a message that is larger than it may be
    monkeypatch.setattr(spark_outbox, "MESSAGE_BYTES", 1000)

    with pytest.raises(TaskError, match=f"^the broker at .* does not take what we send to {topics.letters}: "):
        list(measured_of(task, [record(b"x" * 5000, 0)]))


def test_dead_letters_of_the_greatest_size_are_sent_whatever_the_outbox_holds(task, topics, monkeypatch):
    # given less room than three of them take
    monkeypatch.setattr(spark_outbox, "BUFFER_KIB", 2048)
    noise = random.Random(1).randbytes(2 * DEAD_LETTER_LIMIT)
    great = [{**record(noise, offset), "key": noise[: 2 * DEAD_LETTER_KEY_LIMIT]} for offset in range(6)]

    done(task, great)

    letters = [
        parse_dead_letter(one.key(), one.value(), one.headers()) for one in read_all(topics.servers, topics.letters)
    ]
    assert [one.original_offset for one in letters] == list(range(6))
    assert {(len(one.value or b""), one.original_size) for one in letters} == {(DEAD_LETTER_LIMIT, len(noise))}
    assert {len(one.key or b"") for one in letters} == {DEAD_LETTER_KEY_LIMIT}

"""What the router writes to Kafka: alerts and dead letters that the Python codec accepts, also in Real-time Mode."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from harness import await_condition
from kafka_records import PARTITION, TOPIC, as_records, verdict_of_python
from pyspark.sql import DataFrame
from topics import read_all, write_all

from pipeline import rules, transforms
from pipeline.broker import Connection, alerts_topic, dead_letter_topic, ensure_topics
from pipeline.events import (
    DEAD_LETTER_KEY_LIMIT,
    DEAD_LETTER_LIMIT,
    DeadLetter,
    decode_alert,
    decode_reading,
    encode,
    parse_dead_letter,
)
from pipeline.rules import Rule
from pipeline.spark_router import RouterTask
from tests import messages
from tests.messages import CASES, KAFKA_TIMESTAMP_MS, MAX_AHEAD, WHOLE

# The first job starts Spark, and much code is made and compiled for it.
pytestmark = pytest.mark.timeout(900)

ALERTS, LETTERS = "alerts", "dead-letter-queue"
NOW = "2026-01-31T08:00:01Z"
SOME_RULES = (
    *rules.load(None),
    Rule("warm", "temperature", "low", above=20.0),
    Rule("cool", "temperature", "low", below=22.0, message="{value} \N{SNOWFLAKE} {location}"),
)


Route = Callable[[DataFrame], DataFrame]


def routed_by_spark(records: DataFrame) -> DataFrame:
    """As in Real-time Mode."""
    return transforms.router(records, SOME_RULES, MAX_AHEAD, ALERTS, LETTERS)


def routed_by_python(records: DataFrame) -> DataFrame:
    """As in micro-batches."""
    task = RouterTask(SOME_RULES, ALERTS, LETTERS, MAX_AHEAD)
    return transforms.records(records).mapInArrow(task, RouterTask.SCHEMA)


@pytest.fixture(params=[routed_by_spark, routed_by_python], scope="module")
def routed(request) -> Route:
    """Each of the two routers, which write the same."""

    def route(records: DataFrame) -> DataFrame:
        found: DataFrame = request.param(records)
        assert found.columns == ["topic", "key", "value", "headers"]
        return found

    return route


def letter_of(key: bytes | None, value: bytes | None, headers: Any) -> DeadLetter:
    """The dead letter in a record; its failed_at is checked and then taken out."""
    letter = parse_dead_letter(key, value, [(name, content) for name, content in headers])
    decode_reading(messages.message(timestamp=json.dumps(letter.failed_at)))
    letter.failed_at = ""
    return letter


@pytest.fixture(scope="module")
def routed_table(spark, routed):
    return routed(as_records(spark, [case.payload for case in CASES])).collect()


def test_every_refused_message_becomes_a_dead_letter_with_its_bytes_and_its_place(routed_table):
    letters = [letter_of(row.key, row.value, row.headers) for row in routed_table if row.topic == LETTERS]

    found = {letter.original_offset: letter for letter in letters}
    assert len(found) == len(letters)
    assert found.keys() == {offset for offset, case in enumerate(CASES) if case.refusal}
    for offset, letter in found.items():
        payload = CASES[offset].payload
        assert letter.error.startswith(f"{CASES[offset].refusal}: ")
        assert (letter.original_topic, letter.original_partition, letter.retry_count) == (TOPIC, PARTITION, 0)
        assert letter.key == str(offset).encode()
        assert letter.value == (payload and payload[:DEAD_LETTER_LIMIT])
        is_cut = payload is not None and len(payload) > DEAD_LETTER_LIMIT
        assert letter.original_size == (len(payload) if is_cut else None)


def test_every_alert_is_what_the_python_rules_and_codec_make(routed_table):
    accepted = [decode_reading(case.payload) for case in CASES if case.refusal is None]
    wanted = [alert for reading in accepted for alert in rules.alerts(SOME_RULES, reading, NOW)]

    rows = [row for row in routed_table if row.topic == ALERTS]

    assert Counter(map(without_times, (row.value for row in rows))) == Counter(
        without_times(encode(alert)) for alert in wanted
    )
    for row in rows:
        alert = decode_alert(row.value)
        assert row.key == alert.sensor_id.encode()
        assert row.headers is None
        assert alert.timestamp.endswith("Z")


def without_times(payload: bytes) -> str:
    """An alert's fields in their order; its times are written in their own ways."""
    alert = json.loads(payload)
    assert {"timestamp", "detected_at"} <= alert.keys()
    return repr([(name, value) for name, value in alert.items() if name not in {"timestamp", "detected_at"}])


def test_an_alerts_timestamp_is_the_readings_instant_in_utc(spark, routed):
    payload = messages.message(timestamp='"2026-01-31T13:30:00.250+05:30"')

    found = routed(as_records(spark, [payload])).collect()

    assert {decode_alert(row.value).timestamp for row in found} == {"2026-01-31T08:00:00.25Z"}


def test_a_dead_letter_of_great_size_is_cut_and_says_so(spark, routed):
    exactly, beyond = b"x" * DEAD_LETTER_LIMIT, b"y" * (5 * DEAD_LETTER_LIMIT)
    long_key = as_records(spark, [b"z"]).selectExpr(
        f"cast(repeat('k', {DEAD_LETTER_KEY_LIMIT + 1}) as binary) as key",
        "value",
        "topic",
        "partition",
        "offset",
        "timestamp",
    )
    rows = routed(as_records(spark, [exactly, beyond]).union(long_key)).collect()

    sizes = [(len(row.key), len(row.value), dict(row.headers)) for row in rows]
    assert [(key, value) for key, value, _ in sizes] == [
        (1, DEAD_LETTER_LIMIT),
        (1, DEAD_LETTER_LIMIT),
        (DEAD_LETTER_KEY_LIMIT, 1),
    ]
    assert [headers.get("original_size") for _, _, headers in sizes] == [None, b"4500000", None]
    assert [headers.get("original_key_size") for _, _, headers in sizes] == [None, None, b"100001"]


@pytest.fixture
def output_topics(broker, new_topic: Callable[[], str]) -> tuple[str, str]:
    """The names of a topic for alerts and one for dead letters."""
    alerts, letters = f"{new_topic()}-alerts", f"{new_topic()}-letters"
    ensure_topics(Connection(broker.servers), [alerts_topic(alerts), dead_letter_topic(letters)], timeout=30)
    return alerts, letters


def test_real_time_mode_takes_the_router_from_kafka_to_kafka(spark, broker, topic, output_topics, tmp_path):
    alerts, letters = output_topics
    # The broker's clock stands on the records, so the table's own timestamps lie in the past.
    payloads = [case.payload for case in CASES if case.refusal != "timestamp_ahead"]
    write_all(broker.servers, topic, payloads, key=b"key")
    write_all(broker.servers, topic, [b"again"], headers=[("retry_count", b"2")])
    source = spark.readStream.format("kafka").option("kafka.bootstrap.servers", broker.servers)
    records = source.option("subscribe", topic).option("startingOffsets", "earliest").option("includeHeaders", True)
    found = transforms.router(records.load(), SOME_RULES, MAX_AHEAD, alerts, letters)
    sink = found.writeStream.format("kafka").option("kafka.bootstrap.servers", broker.servers)
    query = (
        sink.option("checkpointLocation", str(tmp_path / "checkpoint"))
        .outputMode("update")
        .trigger(realTime="5 minutes")
        .start()
    )
    try:
        verdicts = [verdict_of_python(payload, 2 * KAFKA_TIMESTAMP_MS) for payload in payloads]
        accepted = [decode_reading(one) for one, (code, _) in zip(payloads, verdicts, strict=True) if code is None]
        wanted = [encode(alert) for reading in accepted for alert in rules.alerts(SOME_RULES, reading, NOW)]
        refusals = Counter(code for code, _ in verdicts if code) + Counter({"not_json": 1})

        def has_come(name: str, count: int) -> bool:
            if query.exception():
                raise query.exception()
            return len(read_all(broker.servers, name)) >= count

        await_condition(lambda: has_come(letters, refusals.total()), "the dead letters")
        await_condition(lambda: has_come(alerts, len(wanted)), "the alerts")
    finally:
        query.stop()

    found_alerts = read_all(broker.servers, alerts)
    assert Counter(without_times(one.value()) for one in found_alerts) == Counter(map(without_times, wanted))
    found_letters = [letter_of(one.key(), one.value(), one.headers()) for one in read_all(broker.servers, letters)]
    assert Counter(letter.error.partition(":")[0] for letter in found_letters) == refusals
    assert [letter.retry_count for letter in found_letters if letter.value == b"again"] == [2]
    assert {letter.original_topic for letter in found_letters} == {topic}
    assert len({letter.origin for letter in found_letters}) == len(found_letters)
    assert WHOLE not in {letter.value for letter in found_letters}

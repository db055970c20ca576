"""Messages as the rows of Spark's Kafka source, and what Spark and Python make of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline import transforms
from pipeline.events import RefusedMessage, decode_reading
from tests.messages import KAFKA_TIMESTAMP_MS, MAX_AHEAD

TOPIC = "sensor-data"
PARTITION = 2
_FIELDS = ("event_id", "run", "sequence", "sensor_id", "sensor_type", "value", "unit", "location", "status")

# The code of a refusal (None: accepted) and the fields of the reading (None: refused).
Verdict = tuple[str | None, dict[str, Any] | None]


def as_records(
    spark: SparkSession, payloads: Iterable[bytes | None], timestamps_ms: Sequence[int] | None = None
) -> DataFrame:
    """Messages as Kafka records; their place in the list is their offset and, as text, their key."""
    rows = [
        (str(offset).encode(), payload, offset, timestamps_ms[offset] if timestamps_ms else KAFKA_TIMESTAMP_MS)
        for offset, payload in enumerate(payloads)
    ]
    return spark.createDataFrame(rows, "key binary, value binary, offset bigint, ms bigint").select(
        "key",
        "value",
        F.lit(TOPIC).alias("topic"),
        F.lit(PARTITION).alias("partition"),
        "offset",
        F.timestamp_millis("ms").alias("timestamp"),
    )


def verdicts_of_spark(records: DataFrame, max_ahead: float = MAX_AHEAD) -> list[Verdict]:
    """What `transforms.parse` says of each record, in the order of the offsets."""
    reading = F.col("reading")
    fields = [reading[name].alias(name) for name in (*_FIELDS, "metadata")]
    parsed = transforms.parse(records, max_ahead).select(
        "offset",
        "refusal_code",
        reading.isNotNull().alias("accepted"),
        F.unix_micros(reading["timestamp"]).alias("micros"),
        *fields,
    )
    found = []
    for row in sorted(parsed.collect(), key=lambda row: row["offset"]):
        kept = {name: row[name] for name in (*_FIELDS, "micros")}
        kept["metadata"] = None if row["metadata"] is None else comparable(json.loads(row["metadata"]))
        found.append((row["refusal_code"], kept if row["accepted"] else None))
    return found


def verdict_of_python(
    payload: bytes | None, kafka_timestamp_ms: int = KAFKA_TIMESTAMP_MS, max_ahead: float = MAX_AHEAD
) -> Verdict:
    """What `events.decode_reading` says of a message."""
    try:
        reading = decode_reading(payload, kafka_timestamp_ms=kafka_timestamp_ms, max_ahead=max_ahead)
    except RefusedMessage as refused:
        return str(refused.code), None
    kept = {name: getattr(reading, name) for name in _FIELDS}
    return None, {**kept, "micros": micros(reading.event_time), "metadata": comparable(reading.metadata)}


def micros(moment: datetime) -> int:
    """An instant in microseconds since 1970."""
    whole = moment.replace(microsecond=0)
    return round(whole.timestamp()) * 1_000_000 + moment.microsecond


def differences(payloads: Sequence[bytes | None], spark: Sequence[Verdict], python: Sequence[Verdict]) -> list[str]:
    """The messages that are judged differently, each in a line."""
    assert len(spark) == len(python) == len(payloads)
    return [
        f"{(payload or b'')[:300]!r}: Spark {one}, Python {other}"
        for payload, one, other in zip(payloads, spark, python, strict=True)
        if repr(one) != repr(other)
    ]


def comparable(document: Any) -> Any:
    """JSON with its numbers as the 64-bit floats that every reader agrees on."""
    if isinstance(document, dict):
        return {name: comparable(document[name]) for name in sorted(document)}
    if isinstance(document, list):
        return [comparable(one) for one in document]
    return float(document) if isinstance(document, int) and not isinstance(document, bool) else document

"""How many messages a second Spark parses strictly, as a ratio to a plain from_json with types in the same run.

The rounds take turns, so that whatever else the machine does meets all of them; the median of each counts. Plain
from_json judges nothing: it is what a job would pay that believed its messages.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import measuring
from fleets import START, simulated_fleet, take
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from spark_sessions import local_spark

from pipeline import transforms
from pipeline.events import MAX_AHEAD_SECONDS
from pipeline.faults import MALFORMATIONS
from pipeline.java import LATE_SECOND_COMPILER
from pipeline.messages import MessageMaker

SENSORS = 1000
TYPED = (
    "schema_version int, event_id string, run string, sequence bigint, timestamp timestamp, sensor_id string, "
    "sensor_type string, value double, unit string, location string, status string, "
    "metadata struct<sensor_model: string, battery_level: int>"
)


def payloads(count: int) -> tuple[list[bytes], list[bytes]]:
    """As many messages of a simulated fleet, and the same with each kind of malformation in turn."""
    maker = MessageMaker(simulated_fleet(SENSORS), "00000000002a", START)
    good = [message.payload for message in maker.make(take(simulated_fleet(SENSORS), count))]
    return good, [MALFORMATIONS[number % len(MALFORMATIONS)](one) for number, one in enumerate(good)]


def records(spark: SparkSession, values: list[bytes]) -> DataFrame:
    """Messages as records that came in when the last of them was due, in memory."""
    rows = spark.createDataFrame([(value,) for value in values], "value binary")
    appended = F.timestamp_millis(F.lit(round(START.timestamp() * 1000) + 3_600_000))
    found = rows.withColumn("timestamp", appended).repartition(spark.sparkContext.defaultParallelism).cache()
    found.count()
    return found


def strict(source: DataFrame) -> DataFrame:
    """What the job does."""
    return transforms.parse(source, MAX_AHEAD_SECONDS)


def plain(source: DataFrame) -> DataFrame:
    """What it is compared with."""
    return source.select(F.from_json(F.col("value").cast("string"), TYPED).alias("reading"))


def seconds(frame: DataFrame) -> float:
    """How long it takes to compute every column of every row."""
    begin = time.perf_counter()
    frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - begin


def check(good: DataFrame, bad: DataFrame) -> None:
    """What is measured must be what it is called."""
    for source, wrong in ((good, "refusal_code is not null"), (bad, "refusal_code is null")):
        if count := strict(source).where(wrong).count():
            raise SystemExit(f"{count:,} messages were judged otherwise than they were made")


def main() -> int:
    """Parse the messages in both manners, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="messages a round (default: 100000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds after two that warm up (default: 7)")
    parser.add_argument("--slots", type=int, default=1, help="Spark's task slots (default: 1)")
    parser.add_argument(
        "--java-options", default=LATE_SECOND_COMPILER, help="options for Spark's Java (default: the job's own)"
    )
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        local_spark(Path(folder), options.slots, options.java_options) as spark,
    ):
        good, bad = (records(spark, values) for values in payloads(options.messages))
        check(good, bad)
        frames = {"plain": plain(good), "good": strict(good), "plain of bad": plain(bad), "bad": strict(bad)}
        taken: dict[str, list[float]] = {name: [] for name in frames}
        for number in range(2 + options.rounds):
            for name, frame in frames.items():
                found = seconds(frame)
                if number >= 2:
                    taken[name].append(found)
    rate = {name: options.messages / statistics.median(found) for name, found in taken.items()}
    print(f"{options.rounds} rounds of {options.messages:,} messages, {options.slots} task slots")
    for name, peer, what in (("good", "plain", "good messages"), ("bad", "plain of bad", "malformed messages")):
        ratio = statistics.median(there / here for here, there in zip(taken[name], taken[peer], strict=True))
        print(f"{what}: from_json {rate[peer]:>9,.0f} a second, parse {rate[name]:>9,.0f}: {ratio:.2f} of it")
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

"""The streaming queries: router (alerts and dead letters to Kafka), readings and windows (to MongoDB, in one)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import DataStreamWriter, StreamingQuery

from pipeline import spark_kafka, transforms
from pipeline.breaker import Breaker
from pipeline.broker import Connection
from pipeline.rules import Rule
from pipeline.spark_checkpoint import Checkpoint
from pipeline.spark_pass import OBSERVED, OUTCOMES, PassTask
from pipeline.spark_router import RouterTask
from pipeline.spark_sinks import Sink
from pipeline.spark_tasks import MeasurementsTask, ReadingsTask, WindowsTask
from pipeline.store import Store

ROUTER, READINGS, WINDOWS = NAMES = ("router", "readings", "windows")
# Those whose work the windows' query can do as well.
OTHERS = (READINGS, ROUTER)
# So many times --trigger lies between two batches of windows that are by themselves, as far as the slide lets it: each
# of them looks through the ids of the whole watermark for those to forget, however few it brings.
_APART = 5
# So many partitions of the topic share a part of the windows' state where Spark keeps no ids.
_PARTITIONS_A_PART = 4


@dataclass(frozen=True)
class Plan:
    """What the queries do; spans are in seconds.

    `alert_batch` is the length of the router's real-time batches, None for micro-batches. `limit` is the most records
    in a micro-batch. With `available_now` the queries end when they have read what is there. `queries` are those of
    NAMES that run, and the windows' does the work of those that it `leads` as well.
    """

    link: Connection
    topic: str
    alerts_topic: str
    dead_letter_topic: str
    rules: Sequence[Rule]
    store: Store
    clear_after: float
    window: float
    slide: float
    watermark: float
    max_ahead: float
    trigger: float
    alert_batch: float | None
    limit: int
    starting_offsets: str
    available_now: bool
    queries: Collection[str] = NAMES
    leads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """A query that can be started again and again; `sink` is None where Kafka is what it writes to.

    `also` are the queries whose work it does in the same batches (see spark_pass.observed). `counts_state`: Spark
    reports how many rows its state has.
    `trigger` is the seconds between two micro-batches, or of a batch in real time; None where each follows the other.
    """

    name: str
    start: Callable[[], StreamingQuery]
    sink: Sink | None = None
    mode: Literal["micro-batch", "real-time"] = "micro-batch"
    trigger: float | None = None
    also: tuple[str, ...] = ()
    counts_state: bool = True

    def manner(self) -> dict[str, Any]:
        """How it runs, as its progress tells: `mode`, and `trigger_seconds` where it has a trigger."""
        return {"mode": self.mode, **({} if self.trigger is None else {"trigger_seconds": self.trigger})}


def queries(session: SparkSession, plan: Plan, checkpoint: Checkpoint, breaker: Breaker) -> list[Query]:
    """The queries in the order of their start."""
    build = _Builder(session, plan, checkpoint)
    # Spark would look for each row of the state a second time, and nobody watches that of a backlog.
    counts_state = not plan.available_now
    session.conf.set("spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows", counts_state)
    if plan.leads:
        # Otherwise Spark drops late readings a batch later than it reports the watermark.
        session.conf.set("spark.sql.streaming.statefulOperator.allowMultiple", False)
        # Of a batch the windows get a row for each type, place and window: few, and each part of the state costs alike.
        parts = int(session.conf.get("spark.sql.shuffle.partitions") or 1)
        session.conf.set("spark.sql.shuffle.partitions", max(1, parts // _PARTITIONS_A_PART))
    readings, windows = (Sink(task, breaker) for task in (build.readings_task(), WindowsTask(plan.store)))
    trigger, windows_trigger = (None, None) if plan.available_now else (plan.trigger, build.windows_trigger())
    known = [
        Query(READINGS, lambda: build.start(READINGS, build.readings(readings)), readings, trigger=trigger),
        Query(
            WINDOWS,
            lambda: build.start(WINDOWS, build.windows(windows)),
            windows,
            trigger=windows_trigger,
            also=plan.leads,
            counts_state=counts_state,
        ),
        Query(
            ROUTER,
            lambda: build.start(ROUTER, build.router()),
            mode="micro-batch" if plan.alert_batch is None else "real-time",
            trigger=trigger if plan.alert_batch is None else plan.alert_batch,
        ),
    ]
    return [one for one in known if one.name in plan.queries and one.name not in plan.leads]


@dataclass(frozen=True)
class _Builder:
    session: SparkSession
    plan: Plan
    checkpoint: Checkpoint

    def source(self, name: str, *, limit: int | None) -> DataFrame:
        plan = self.plan
        return spark_kafka.source(
            self.session, plan.link, plan.topic, name=name, starting_offsets=plan.starting_offsets, limit=limit
        )

    def readings_task(self) -> ReadingsTask:
        plan = self.plan
        return ReadingsTask(plan.store, plan.rules, plan.clear_after, plan.max_ahead)

    def router_task(self) -> RouterTask:
        plan = self.plan
        return RouterTask(plan.rules, plan.alerts_topic, plan.dead_letter_topic, plan.max_ahead)

    def router(self) -> DataStreamWriter:
        plan = self.plan
        if plan.alert_batch is None:
            rows = transforms.records(self.source(ROUTER, limit=plan.limit))
            routed = rows.mapInArrow(self.router_task(), RouterTask.SCHEMA)
        else:
            records = self.source(ROUTER, limit=None)
            routed = transforms.router(records, plan.rules, plan.max_ahead, plan.alerts_topic, plan.dead_letter_topic)
        writer = routed.writeStream.format("kafka").options(**spark_kafka.sink_options(plan.link)).outputMode("update")
        if plan.alert_batch is not None:
            # PySpark's types do not know this trigger yet.
            real_time: Any = writer
            return cast(DataStreamWriter, real_time.trigger(realTime=_milliseconds(plan.alert_batch)))
        return self._timed(writer, plan.trigger)

    def readings(self, sink: Sink) -> DataStreamWriter:
        rows = transforms.records(self.source(READINGS, limit=self.plan.limit))
        return self._timed(rows.writeStream.foreachBatch(sink), self.plan.trigger)

    def windows(self, sink: Sink) -> DataStreamWriter:
        plan = self.plan
        rows = transforms.records(self.source(WINDOWS, limit=plan.limit))
        if plan.leads:
            valid = self._pass(rows)
        else:
            judged = rows.select("value", "kafka_timestamp")
            valid = judged.mapInArrow(MeasurementsTask(plan.max_ahead), MeasurementsTask.SCHEMA)
        spans = (_milliseconds(span) for span in (plan.window, plan.slide, plan.watermark))
        frame = transforms.windows(valid, *spans, distinct=bool(plan.leads))
        for name in ("window_start", "window_end"):
            frame = frame.withColumn(name, F.unix_millis(name))
        return self._timed(frame.writeStream.outputMode("update").foreachBatch(sink), self.windows_trigger())

    def _pass(self, rows: DataFrame) -> DataFrame:
        """What windows need of the records; what becomes of them besides is reported (`spark_pass.observed`)."""
        plan = self.plan
        window, slide = (round(1000 * span) for span in (plan.window, plan.slide))
        router = self.router_task() if ROUTER in plan.leads else None
        task = PassTask(self.readings_task(), window, slide, router, plan.link.portable())
        done = rows.mapInArrow(task, PassTask.SCHEMA)
        observed = done.observe(OBSERVED, F.collect_list("outcome").alias(OUTCOMES))
        return observed.where(F.col("outcome").isNull()).drop("outcome")

    def windows_trigger(self) -> float:
        """Seconds between two batches of the windows."""
        plan = self.plan
        return plan.trigger if plan.leads else max(plan.trigger, min(_APART * plan.trigger, plan.slide))

    def start(self, name: str, writer: DataStreamWriter) -> StreamingQuery:
        # Each query has a pool of its own, so that a long batch of one does not hold up the others.
        self.session.sparkContext.setLocalProperty("spark.scheduler.pool", name)
        return writer.queryName(name).option("checkpointLocation", self.checkpoint.of_query(name)).start()

    def _timed(self, writer: DataStreamWriter, seconds: float) -> DataStreamWriter:
        if self.plan.available_now:
            return writer.trigger(availableNow=True)
        return writer.trigger(processingTime=_milliseconds(seconds))


def _milliseconds(seconds: float) -> str:
    return f"{round(1000 * seconds)} milliseconds"

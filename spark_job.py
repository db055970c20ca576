"""Kafka → windows, alerts and readings → MongoDB: the streaming job."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pipeline import (
    broker,
    catalog,
    java,
    metrics,
    options,
    rules,
    spark_queries,
    spark_session,
    store,
    store_dashboard,
)
from pipeline.breaker import Breaker
from pipeline.broker import Connection
from pipeline.console import ExitCode, StopRequest, UsageError, UserError, signals_interrupt, start
from pipeline.metrics_spark import SparkFigures
from pipeline.rules import Rule
from pipeline.settings import SettingsParser
from pipeline.spark_checkpoint import Checkpoint
from pipeline.spark_progress import Document, ProgressLog
from pipeline.spark_queries import Plan
from pipeline.spark_session import Wish
from pipeline.spark_supervisor import Supervisor
from pipeline.store import Store
from pipeline.store_silence import SilenceWatch

log = logging.getLogger(__name__)

READY = "the job runs"
# A query that has nothing else to tell gives a sign of life every 15 seconds.
HEARD_WITHIN_SECONDS = 60
SERVERS = ("Kafka", "MongoDB")
# The most messages in a micro-batch, unless the user has said it: a backlog takes less time in larger ones.
LIMIT, BACKLOG_LIMIT = 250_000, 500_000


def build_parser() -> SettingsParser:
    """The options of this script."""
    parser = SettingsParser(
        prog="spark_job.py",
        description="Keep the readings of a topic, their windows and their alerts in MongoDB; send alerts to Kafka.",
        examples=[
            "python spark_job.py",
            "python spark_job.py --window 1m --slide 10s --checkpoint .stack/minutes --database minutes",
            "python spark_job.py --rules rules.toml",
            "python spark_job.py --available-now    # work off what is there, and end",
            "python spark_job.py --queries readings windows --checkpoint .stack/stored    # another job sends alerts",
            "python spark_job.py --master spark://host:7077 --checkpoint hdfs://host/checkpoint",
        ],
    )
    parser.section("connection", options.TOPIC, *options.CONNECTION, options.MONGO_URI, options.DATABASE)
    parser.section("windows", options.WINDOW, options.SLIDE, options.WATERMARK, options.MAX_AHEAD)
    parser.section(
        "alerts",
        *(options.RULES, options.CATALOG, options.ALERT_MODE, options.ALERT_BATCH, options.CLEAR_AFTER),
        options.SILENT_AFTER,
        *(options.ALERTS_TOPIC, options.DEAD_LETTER_TOPIC),
    )
    parser.section(
        "reading",
        *(options.TRIGGER, options.MAX_OFFSETS, options.STARTING_OFFSETS),
        *(options.AVAILABLE_NOW, options.CHECKPOINT, options.QUERIES, options.HEALTH),
    )
    parser.section("Spark", options.MASTER, options.DRIVER_MEMORY, options.DRIVER_JAVA_OPTIONS)
    parser.section("retention", *options.RETENTION)
    parser.section("metrics", *options.METRICS)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Run the queries until a signal, or with --available-now until all is read."""
    metrics.check(settings)
    if settings.health:
        return _health(settings)
    began = time.monotonic()
    _check_spans(settings)
    chosen = rules.load(settings.rules)
    _warn_of_unknown_types(chosen, settings)
    link = broker.connection(settings)
    topics = broker.topics(settings)
    with signals_interrupt():
        # Both are asked before the seconds that Spark takes to start.
        broker.ensure_topics(link, topics)
        cluster, partitions = broker.cluster_and_partitions(link, settings.topic)
        retention = {one.name: getattr(settings, one.name) for one in options.RETENTION}
        target = store.ensure(settings.mongo_uri, settings.database, retention)
        slots = spark_session.local_slots(partitions)
        wish = Wish(
            settings.master,
            settings.driver_memory,
            settings.checkpoint,
            slots,
            partitions,
            java_options=_java_options(settings),
            debug=settings.debug,
        )
        figures = SparkFigures(settings.queries, SERVERS)
        with metrics.served_if_asked(settings, lambda: figures.registry), spark_session.opened(wish) as session:
            checkpoint = Checkpoint(session, settings.checkpoint)
            checkpoint.claim(_made_with(settings, cluster))
            plan = _plan(settings, link, chosen, target, _led(settings, checkpoint))
            with StopRequest() as stop:
                probes = (lambda: broker.ensure_topics(link, topics), lambda: _probe(target))
                breaker = figures.breaker = Breaker(dict(zip(SERVERS, probes, strict=True)), stop.wait)
                supervisor = Supervisor(
                    spark_queries.queries(session, plan, checkpoint, breaker),
                    ProgressLog(target),
                    breaker,
                    stop.wait,
                    figures,
                    _told(settings, target),
                )
                supervisor.run(lambda: log.info("%s, after %.1f s", READY, time.monotonic() - began))
    return ExitCode.DONE


def _java_options(settings: argparse.Namespace) -> str:
    """The user's come last, and so they count."""
    compiling = java.LATER_SECOND_COMPILER if settings.available_now else java.LATE_SECOND_COMPILER
    return f"{compiling} {settings.driver_java_options or ''}"


def _health(settings: argparse.Namespace) -> int:
    """Raises UserError unless all queries of a job have been heard of lately."""
    target = store.connect(settings.mongo_uri, settings.database)
    heard = store_dashboard.progress(target, settings.queries, 1)
    now = datetime.now(UTC)
    silent = [
        name
        for name, batches in heard.items()
        if not batches or (now - batches[0]["at"]).total_seconds() > HEARD_WITHIN_SECONDS
    ]
    if silent:
        raise UserError(
            f"not heard of for {HEARD_WITHIN_SECONDS} s: {', '.join(silent)}; see that the job runs, and its log"
        )
    return ExitCode.DONE


def _check_spans(settings: argparse.Namespace) -> None:
    if settings.slide is None:
        settings.slide = settings.window
    if settings.slide > settings.window:
        raise UsageError(
            f"--slide {settings.slide:g} s is longer than --window {settings.window:g} s: "
            "readings between two windows would count in none"
        )
    if settings.watermark <= 2 * settings.max_ahead:
        raise UsageError(
            f"--watermark {settings.watermark:g} s must be more than twice --max-ahead {settings.max_ahead:g} s: "
            "a sensor whose clock is ahead would make honest readings late"
        )


def _warn_of_unknown_types(chosen: tuple[Rule, ...], settings: argparse.Namespace) -> None:
    known = catalog.load(settings.catalog).types
    for rule in chosen:
        if rule.sensor_type not in known:
            log.warning("the rule %s watches the type '%s', which no catalog names", rule.name, rule.sensor_type)


def _made_with(settings: argparse.Namespace, cluster: str) -> dict[str, str | float]:
    names = ("topic", "database", "window", "slide", "watermark")
    return {"cluster": cluster, **{name: getattr(settings, name) for name in names}}


def _led(settings: argparse.Namespace, checkpoint: Checkpoint) -> tuple[str, ...]:
    """The queries whose work the windows' does as well; the others have a folder of their own from now on.

    Raises UsageError where the checkpoint needs both of two queries, and one of them is asked for.
    """
    readings, windows, router = spark_queries.READINGS, spark_queries.WINDOWS, spark_queries.ROUTER
    asked = set(settings.queries)
    together = checkpoint.is_together(windows, readings, wanted={readings, windows} <= asked)
    if not together:
        checkpoint.part(windows, spark_queries.OTHERS)
        return ()
    if len(asked & {readings, windows}) == 1:
        raise UsageError(
            f"--queries {' '.join(settings.queries)}: in the checkpoint {settings.checkpoint} readings and windows "
            "are one query: name both, or another --checkpoint"
        )
    if (
        settings.available_now
        and len(asked) == len(spark_queries.NAMES)
        and checkpoint.takes_one_pass(windows, (router,))
    ):
        return spark_queries.OTHERS
    checkpoint.part(windows, (router,))
    return (readings,)


def _plan(
    settings: argparse.Namespace, link: Connection, chosen: tuple[Rule, ...], target: Store, led: tuple[str, ...]
) -> Plan:
    in_real_time = settings.alert_mode == "real-time" and not settings.available_now
    same = ("topic", "alerts_topic", "dead_letter_topic", "clear_after", "window", "slide", "watermark", "max_ahead")
    rest = ("trigger", "starting_offsets", "available_now", "queries")
    return Plan(
        link=link,
        rules=chosen,
        store=target,
        alert_batch=settings.alert_batch if in_real_time else None,
        limit=settings.max_offsets_per_trigger or (BACKLOG_LIMIT if settings.available_now else LIMIT),
        leads=led,
        **{name: getattr(settings, name) for name in (*same, *rest)},
    )


def _told(settings: argparse.Namespace, target: Store) -> Callable[[Document], None]:
    """What is done with the figures of each batch, beside being kept: silent sensors are looked for."""
    if not settings.silent_after or settings.available_now:
        return lambda _: None
    watch = SilenceWatch(target, settings.silent_after, settings.clear_after)

    def tell(figures: Document) -> None:
        if figures["query"] == spark_queries.READINGS:
            watch.hear(figures["at"], figures["lag"])

    return tell


def _probe(target: Store) -> None:
    store.connect(target.uri, target.database)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

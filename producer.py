"""Emulate a fleet of sensors and send its readings to Kafka."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from datetime import UTC, datetime

from pipeline import broker, catalog, fleet_spec, ledger, metrics, options
from pipeline.clock import SystemClock
from pipeline.console import ExitCode, StopRequest, UsageError, counted, signals_interrupt, start
from pipeline.emulation import Job, Moment, emulate
from pipeline.metrics_producer import ProducerFigures
from pipeline.pacing import Limits, Share
from pipeline.reporting import Reporter
from pipeline.settings import SettingsParser
from pipeline.tally import Tally
from pipeline.workers import Workers

log = logging.getLogger("producer")


def build_parser() -> SettingsParser:
    """The options of this script."""
    parser = SettingsParser(
        prog="producer.py",
        description="Emulate a fleet of sensors and send its readings to Kafka.",
        examples=[
            "python producer.py --sensors 1000 --rate 1000",
            "python producer.py --num-sensors 2 --delays 0.1 0.1 --sensors-values-mean 2 10 --sensors-values-std 2 3",
            "python producer.py --fleet examples/fleet.toml --duration 60 --ledger run.jsonl",
            "python producer.py --sensors 1000 --rate 20000 --processes 2 --duration 60",
            "python producer.py --dry-run --count 5 --seed 1",
        ],
    )
    parser.section("connection", options.TOPIC, *options.CONNECTION)
    parser.section("fleet form: sensors of the catalog's types", options.SENSORS, options.RATE, options.ANOMALY_RATE)
    parser.section(
        "classic form: a distribution for each sensor",
        options.NUM_SENSORS,
        options.DELAYS,
        options.MEANS,
        options.STDS,
        options.DISTRIBUTION,
        options.SENSOR_TYPES,
    )
    parser.section("either form, or a file", options.FLEET, options.CATALOG)
    parser.section("how long", options.DURATION, options.COUNT)
    parser.section("repeatable runs", options.SEED, options.RUN, options.START)
    parser.section(
        "sending",
        options.PROCESSES,
        options.UNPACED,
        options.BUFFER,
        options.LINGER,
        options.FLUSH_TIMEOUT,
        options.DRY_RUN,
        options.LEDGER,
        options.STATISTICS_INTERVAL,
    )
    parser.section(
        "faults on purpose",
        options.LATE_RATE,
        options.LATE_BY,
        options.DUPLICATE_RATE,
        options.MALFORMED_RATE,
        options.DROP_RATE,
    )
    parser.section("metrics", *options.METRICS)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Send until a limit or a signal; 0 only if every message was acknowledged."""
    metrics.check(settings)
    seed = secrets.randbits(32) if settings.seed is None else settings.seed
    run_name = settings.run or f"{secrets.randbits(48):012x}"
    fleet = fleet_spec.from_settings(settings, catalog.load(settings.catalog), seed, settings.start or _now())
    link = None if settings.dry_run else broker.connection(settings)
    for name in ("ledger", "processes"):
        if settings.dry_run and name in settings.given:
            raise UsageError(f"--dry-run writes to stdout, in one process: leave out {settings.given[name]}")
    job = Job(
        fleet=fleet,
        run=run_name,
        limits=Limits(settings.count, settings.duration),
        link=link,
        topic=settings.topic,
        buffer=settings.buffer,
        linger=settings.linger,
        flush_timeout=settings.flush_timeout,
        ledger=settings.ledger,
        paced=not settings.unpaced,
    )
    if link:
        with signals_interrupt():
            broker.ensure_topics(link, [broker.readings_topic(job.topic)])
    with StopRequest() as stop:
        target = f"{job.topic} at {link.servers}" if link else "stdout"
        rate = f"up to {fleet.schedule.fastest_rate:,.6g}/s" if job.paced else "as fast as possible"
        log.info("%s, %s, to %s (--run %s --seed %d)", counted(fleet.size, "sensor"), rate, target, run_name, seed)
        figures = ProducerFigures(job, SystemClock())
        with metrics.served_if_asked(settings, figures.readout):
            tally = _send(job, settings, stop, seed, figures)
    return ExitCode.DONE if tally.acknowledged == tally.sent else ExitCode.FAILED


def _send(job: Job, settings: argparse.Namespace, stop: StopRequest, seed: int, figures: ProducerFigures) -> Tally:
    clock = SystemClock()
    if settings.processes == 1:
        moment = _begin(job, settings, clock, seed)
        with Reporter(job, clock, settings.statistics_interval, moment.origin) as reporter:
            figures.begin(moment)
            tally = emulate(job, Share(), clock, moment, stop.is_set, figures.beside(reporter.update))
    else:
        with Workers(job, settings.processes, debug=settings.debug) as workers:
            workers.await_ready()
            moment = _begin(job, settings, clock, seed)
            with Reporter(job, clock, settings.statistics_interval, moment.origin) as reporter:
                figures.begin(moment)
                tally = workers.run(moment, stop.is_set, figures.beside(reporter.update))
    if job.ledger:
        ledger.end(job.ledger, job.run)
    reporter.final(tally)
    if tally.waiting:
        log.error("%s messages were not acknowledged: nobody knows whether the broker has them", f"{tally.waiting:,}")
    return tally


def _begin(job: Job, settings: argparse.Namespace, clock: SystemClock, seed: int) -> Moment:
    moment = Moment(clock.monotonic(), settings.start or _now())
    if job.ledger:
        about = ledger.RunLine(
            run=job.run,
            version=ledger.VERSION,
            seed=seed,
            start=moment.start.isoformat(),
            topic=job.topic,
            sensors=job.fleet.size,
        )
        ledger.begin(job.ledger, about)
    return moment


def _now() -> datetime:
    return datetime.now(UTC)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

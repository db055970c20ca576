"""Read the readings from Kafka and print their means; or the alerts, or the messages that were refused."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from pipeline import (
    alert_formats,
    broker,
    dead_letter_formats,
    mean_formats,
    mending,
    metrics,
    metrics_consumer,
    options,
    records,
    replay_formats,
)
from pipeline.broker import Connection
from pipeline.clock import SystemClock
from pipeline.console import ExitCode, StopRequest, UsageError, signals_interrupt, start
from pipeline.dead_letter_choice import Choice
from pipeline.events import Alert, DeadLetter, decode_alert
from pipeline.feed import Feed
from pipeline.mean_report import MeanReport
from pipeline.read_loop import Timetable, Work, read_until_stopped
from pipeline.replay import DEFAULT_GROUP, Outcome, Replay
from pipeline.settings import SettingsParser
from pipeline.topic_reader import TopicReader


@dataclass(frozen=True)
class Source:
    """What is read and how: `at_once` hands records over as they come, `to_first_end` ends at the present end."""

    topic: broker.Topic
    group: str | None
    from_beginning: bool
    at_once: bool = False
    to_first_end: bool = False


def build_parser() -> SettingsParser:
    """The options of this script."""
    parser = SettingsParser(
        prog="consumer.py",
        description="Read the readings from Kafka and print their means; or the alerts, or the refused messages.",
        examples=[
            "python consumer.py --interval 20",
            "python consumer.py --from-beginning --per-interval --format csv > means.csv",
            "python consumer.py --group means    # in two terminals: they share the partitions",
            "python consumer.py --alerts",
            "python consumer.py --dead-letters --duration 5",
            "python consumer.py --dead-letters --reason bad_field missing_field --whole",
            "python consumer.py --dead-letters --replay",
            "python consumer.py --dead-letters --replay --repair-command 'jq -c .value=0'",
        ],
    )
    parser.section("connection", options.TOPIC, *options.CONNECTION)
    parser.section("reading", options.GROUP, options.FROM_BEGINNING, options.MAX_AHEAD, options.CONSUMER_DURATION)
    parser.section("means", options.INTERVAL, options.PER_INTERVAL, options.MAX_ROWS)
    parser.section("output", options.FORMAT)
    parser.section("alerts", options.ALERTS, options.ALERTS_TOPIC)
    parser.section(
        "refused messages",
        *(options.DEAD_LETTERS, options.DEAD_LETTER_TOPIC, options.REASON, options.CONTAINS, options.WHOLE),
        *(options.REPLAY, options.MAX_RETRIES, options.REPAIR_COMMAND, options.EDITED),
    )
    parser.section("metrics", *options.METRICS)
    return parser


def run(settings: argparse.Namespace) -> int:
    """Read until a signal or the end of the duration."""
    _check_combinations(settings)
    metrics.check(settings)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names may have characters that the terminal's encoding has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    link = broker.connection(settings)
    if settings.alerts:
        _alerts(settings, link)
    elif settings.dead_letters and settings.replay:
        _replay(settings, link)
    elif settings.dead_letters:
        _dead_letters(settings, link)
    else:
        _means(settings, link)
    return ExitCode.DONE


def _check_combinations(settings: argparse.Namespace) -> None:
    if settings.alerts and settings.dead_letters:
        raise UsageError("--alerts and --dead-letters are two lists: give one of them")
    for name in ("max_retries", "repair_command", "edited"):
        if name in settings.given and not settings.replay:
            raise UsageError(f"{settings.given[name]} belongs to a replay: give --dead-letters --replay as well")
    for name in ("reason", "contains", "whole"):
        if name in settings.given and not settings.dead_letters:
            raise UsageError(f"{settings.given[name]} is about dead letters: give --dead-letters as well")
    if settings.repair_command and settings.edited:
        raise UsageError("--repair-command and --edited are two ways to mend a message: give one of them")
    if settings.replay and not settings.dead_letters:
        raise UsageError("--replay works on dead letters: give --dead-letters as well")
    if settings.per_interval and (settings.alerts or settings.dead_letters):
        raise UsageError("--per-interval belongs to the means: leave it out with --alerts and --dead-letters")


def _write(text: str) -> None:
    if text:
        print(text, flush=True)


def _means(settings: argparse.Namespace, link: Connection) -> None:
    def make(reader: TopicReader) -> MeanReport:
        render = mean_formats.table(settings.max_rows)
        if settings.format == "json":
            render = mean_formats.json_line
        elif settings.format == "csv":
            render = mean_formats.csv_rows
            _write(mean_formats.CSV_HEADER)
        return MeanReport(
            reader, render, _write, _now, per_interval=settings.per_interval, max_ahead=settings.max_ahead
        )

    source = Source(broker.readings_topic(settings.topic), settings.group, settings.from_beginning)
    _read(settings, link, source, make)


def _alerts(settings: argparse.Namespace, link: Connection) -> None:
    def make(reader: TopicReader) -> Feed[Alert]:
        render = alert_formats.line(Console())
        if settings.format == "json":
            render = alert_formats.json_line
        elif settings.format == "csv":
            render = alert_formats.csv_row
            _write(alert_formats.CSV_HEADER)
        return Feed(
            reader,
            decode=lambda record: decode_alert(record.value()),
            identity=lambda alert: alert.alert_id,
            render=render,
            write=_write,
        )

    topic = broker.alerts_topic(settings.alerts_topic)
    source = Source(topic, settings.group, settings.from_beginning, at_once=True)
    _read(settings, link, source, make)


def _dead_letters(settings: argparse.Namespace, link: Connection) -> None:
    def make(reader: TopicReader) -> Feed[DeadLetter]:
        render = dead_letter_formats.line
        if settings.format == "json":
            render = dead_letter_formats.json_line
        elif settings.format == "csv":
            render = dead_letter_formats.csv_row
            _write(dead_letter_formats.CSV_HEADER)
        return Feed(
            reader,
            decode=records.dead_letter,
            identity=lambda letter: letter.origin,
            render=partial(render, whole=settings.whole),
            write=_write,
            wanted=_choice(settings).holds,
        )

    topic = broker.dead_letter_topic(settings.dead_letter_topic)
    source = Source(topic, settings.group, from_beginning=True, at_once=True)
    _read(settings, link, source, make)


def _choice(settings: argparse.Namespace) -> Choice:
    return Choice(settings.reason or (), settings.contains or "")


def _replay(settings: argparse.Namespace, link: Connection) -> None:
    outcome = Outcome()
    render = {"table": replay_formats.table, "json": replay_formats.json_line, "csv": replay_formats.csv_rows}

    def make(reader: TopicReader) -> Replay:
        return Replay(
            reader,
            link,
            outcome,
            max_retries=settings.max_retries,
            max_ahead=settings.max_ahead,
            choice=_choice(settings),
            mend=mend,
        )

    mend = None
    if settings.repair_command:
        mend = mending.by_command(settings.repair_command)
    elif settings.edited:
        mend = mending.from_file(settings.edited)
    topic = broker.dead_letter_topic(settings.dead_letter_topic)
    # What a person has chosen by hand is looked at again, though a group has seen it.
    group = settings.group or (None if settings.edited else DEFAULT_GROUP)
    source = Source(topic, group, from_beginning=True, to_first_end=True)
    try:
        _read(settings, link, source, make)
    finally:
        # Also when something could not be sent: what was done before is done.
        _write(render[settings.format](outcome))


def _read(
    settings: argparse.Namespace,
    link: Connection,
    source: Source,
    make: Callable[[TopicReader], Work],
) -> None:
    with signals_interrupt():
        broker.ensure_topics(link, [source.topic])
    clock = SystemClock()
    reader = TopicReader(link, source.topic.name, group=source.group, from_beginning=source.from_beginning, clock=clock)
    with StopRequest() as stop, closing(reader):
        reader.open()
        work = make(reader)
        with metrics.served_if_asked(settings, lambda: metrics_consumer.readout(reader, work.rejections)):
            read_until_stopped(
                reader,
                work,
                Timetable(settings.interval, settings.duration),
                stop,
                clock,
                at_once=source.at_once,
                is_done=lambda: source.to_first_end and reader.is_at_first_end,
            )
        work.finish()
        reader.finish()


def _now() -> datetime:
    return datetime.now(UTC).astimezone()


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    return start(build_parser(), run, argv)


if __name__ == "__main__":
    sys.exit(main())

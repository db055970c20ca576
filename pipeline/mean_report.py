"""The consumer's main work: means of the readings, printed at every interval."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE
from confluent_kafka.cimpl import Message

from pipeline.console import counted
from pipeline.events import RefusedMessage, SensorReading, decode_readings
from pipeline.mean_formats import MeanFormat
from pipeline.means import Means
from pipeline.records import place
from pipeline.rejections import Rejections
from pipeline.topic_reader import TopicReader

log = logging.getLogger(__name__)


class MeanReport:
    """Counts readings and writes their means; what breaks the contract is counted apart.

    `write` takes the text of a table, `now` tells the local time. With `per_interval` the figures start afresh after
    each table.
    """

    def __init__(
        self,
        reader: TopicReader,
        render: MeanFormat,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        *,
        per_interval: bool,
        max_ahead: float,
    ) -> None:
        self._reader, self._render, self._write, self._now = reader, render, write, now
        self._per_interval, self._max_ahead = per_interval, max_ahead
        self._means = Means()
        self.rejections = Rejections()
        self._has_news = False

    def take(self, records: list[Message]) -> None:
        """Count the readings of a batch."""
        readings: list[SensorReading] = []
        judged = decode_readings(map(_value_and_time, records), self._max_ahead)
        for record, found in zip(records, judged, strict=True):
            if isinstance(found, RefusedMessage):
                self.rejections.add(found.code, found.sentence, place(record))
            else:
                readings.append(found[0])
        self._means.add(readings)
        self._has_news = self._has_news or bool(readings)

    def interval(self) -> None:
        """Write the means so far, and tell the group that these records are counted."""
        self._write(self._render(self._means, self._now()))
        self._has_news = False
        if self._per_interval:
            self._means.clear()
        self._reader.commit()
        behind, partitions = self._reader.lag()
        if self._reader.is_away:
            log.info("an unknown number of records behind, without a broker")
        else:
            log.info("%s records behind over %s", f"{behind:,}", counted(partitions, "partition"))
        if not self._means.records and not behind:
            log.info("no reading yet; is a producer sending to %s?", self._reader.topic)
        self.rejections.log_recent()

    def finish(self) -> None:
        """Write a last table if anything came since the last one, and the counts of the whole run."""
        if self._has_news:
            self.interval()
        self.rejections.log_total()


def _value_and_time(record: Message) -> tuple[bytes | None, int | None]:
    kind, milliseconds = record.timestamp()
    return record.value(), None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds

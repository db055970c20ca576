"""The router of micro-batches: records to alerts and dead letters for Kafka, judged by the codec and rules of Python.

Real-time Mode knows no Python and needs `transforms.router`, which writes the same and takes several times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.clock import utc_now
from pipeline.events import DEAD_LETTER_KEY_LIMIT, DEAD_LETTER_LIMIT, DeadLetter, RefusedMessage, encode
from pipeline.rules import Rule, Watch
from pipeline.spark_tasks import Judged, Raised, Rows, judged, raised, settle

Row = dict[str, Any]

_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
_ROWS = pa.schema([("topic", pa.string()), ("key", pa.binary()), ("value", pa.binary()), ("headers", _HEADERS)])


@dataclass(frozen=True)
class RouterTask:
    """Makes records (`transforms.records`) into rows of `SCHEMA`: what `transforms.router` makes of them."""

    rules: Sequence[Rule]
    alerts_topic: str
    dead_letter_topic: str
    max_ahead: float
    now: Callable[[], datetime] = utc_now

    SCHEMA: ClassVar[str] = "topic string, key binary, value binary, headers array<struct<key:string,value:binary>>"

    def __call__(self, batches: Rows) -> Rows:
        """Judge the records of a partition."""
        settle()
        watch = Watch(self.rules)
        for batch in batches:
            found = judged(batch, self.max_ahead)
            rows = self.rows(batch, found, raised(found, watch))
            yield pa.RecordBatch.from_pylist(list(rows), schema=_ROWS)

    def rows(self, batch: pa.RecordBatch, found: Iterable[Judged], raised_alerts: Iterable[Raised]) -> Iterator[Row]:
        """The messages that a batch of records makes, each with its judgement, and their alerts, as rows of `SCHEMA`.

        The alerts' instants are put in words in place.
        """
        for position, one in enumerate(found):
            if isinstance(one, RefusedMessage):
                yield {"topic": self.dead_letter_topic, **self._letter(batch.slice(position, 1).to_pylist()[0], one)}
        for alert, moment in raised_alerts:
            alert.timestamp, alert.detected_at = (_instant_text(one) for one in (moment, self.now()))
            yield {"topic": self.alerts_topic, "key": alert.sensor_id.encode(), "value": encode(alert)}

    def _letter(self, record: Row, refused: RefusedMessage) -> Row:
        key, value = record["key"], record["value"]
        letter = DeadLetter(
            key=key and key[:DEAD_LETTER_KEY_LIMIT],
            value=value and value[:DEAD_LETTER_LIMIT],
            original_topic=record["topic"],
            original_partition=record["partition"],
            original_offset=record["offset"],
            error=f"{refused.code}: {refused.sentence}",
            retry_count=record["retry_count"],
            failed_at=_instant_text(self.now()),
            original_size=len(value) if value and len(value) > DEAD_LETTER_LIMIT else None,
            original_key_size=len(key) if key and len(key) > DEAD_LETTER_KEY_LIMIT else None,
        )
        headers = [{"key": name, "value": content} for name, content in letter.headers()]
        return {"key": letter.key, "value": letter.value, "headers": headers}


def _instant_text(moment: datetime) -> str:
    """An instant as `transforms_columns.instant_text` writes it: in UTC, without zeros at the end."""
    whole, _, rest = moment.astimezone(UTC).isoformat().removesuffix("+00:00").partition(".")
    return f"{whole}.{rest.rstrip('0')}Z" if rest else f"{whole}Z"

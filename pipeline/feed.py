"""Messages as they come, one line each: alerts, dead letters."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from confluent_kafka.cimpl import Message

from pipeline.events import RefusedMessage
from pipeline.recent import RecentKeys
from pipeline.records import place
from pipeline.rejections import Rejections
from pipeline.topic_reader import TopicReader

T = TypeVar("T")


class Feed(Generic[T]):
    """Writes a line for each message of a topic, none for repeats and none for what cannot be understood.

    `decode` raises RefusedMessage; repeats have the same `identity`; `render` gives the line of one that is `wanted`.
    """

    def __init__(
        self,
        reader: TopicReader,
        *,
        decode: Callable[[Message], T],
        identity: Callable[[T], Hashable],
        render: Callable[[T], str],
        write: Callable[[str], None],
        wanted: Callable[[T], bool] = lambda _: True,
    ) -> None:
        self._reader, self._decode, self._identity = reader, decode, identity
        self._render, self._write, self._wanted = render, write, wanted
        self._seen = RecentKeys()
        self.rejections = Rejections()

    def take(self, records: list[Message]) -> None:
        """Write the lines of a batch."""
        lines = []
        for record in records:
            try:
                message = self._decode(record)
            except RefusedMessage as refused:
                self.rejections.add(refused.code, refused.sentence, place(record))
                continue
            if self._wanted(message) and self._seen.is_new(self._identity(message)):
                lines.append(self._render(message))
        if lines:
            self._write("\n".join(lines))

    def interval(self) -> None:
        """Tell the group what was written."""
        self._reader.commit()
        self.rejections.log_recent()

    def finish(self) -> None:
        """Log the counts of the whole run."""
        self.rejections.log_total()

"""Reading a topic: where each partition begins, sharing partitions in a group, commits, lag, and a broker that goes."""

from __future__ import annotations

import logging
from collections import Counter

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import Message

from pipeline.broker import CONNECT_SECONDS, Connection, make_consumer
from pipeline.broker_watch import BrokerWatch
from pipeline.clock import Clock
from pipeline.console import UserError, counted

log = logging.getLogger(__name__)

BATCH = 1000
COMMIT_SECONDS = 10.0
RETRY_SECONDS = 1.0
STATISTICS_MS = 1000
# So long a partition that is added to the topic may stay unread; then it is read from its beginning.
METADATA_MS = 10_000


class TopicReader:
    """The records of a topic, in batches.

    Without a group all partitions are read, from their end or their beginning. In a group the members share the
    partitions; each goes on after the last committed offset, and begins like a reader without a group where there is
    none. The caller must be done with a batch before it calls `read` or `commit` again: what was returned counts as
    handled then.
    """

    def __init__(self, link: Connection, topic: str, *, group: str | None, from_beginning: bool, clock: Clock) -> None:
        self.topic, self._group = topic, group
        self._servers, self._from_beginning, self._clock = link.servers, from_beginning, clock
        # The offset after the last record returned, of each partition that is read.
        self._next: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        # The same as _next, but it outlasts the loss of a partition: who gets it back must not count anything again.
        self._reached: dict[int, int] = {}
        # The end of each partition when its reading began.
        self._first_end: dict[int, int] = {}
        self._first_partitions = 0
        self._unplaced: set[int] = set()
        # For who looks from another thread: records returned by partition, and how far each is behind, a second ago.
        self._returned: Counter[int] = Counter()
        self._behind: dict[int, int] = {}
        self._is_placed = self._is_end_told = self._is_rebalanced = self._is_closing = False
        self._watch = BrokerWatch(link.servers)
        self._consumer: Consumer = make_consumer(
            link,
            group=group,
            error_cb=self._watch.on_error,
            on_commit=self._on_commit,
            stats_cb=self._on_statistics,
            statistics_interval_ms=STATISTICS_MS,
            topic_metadata_refresh_interval_ms=METADATA_MS,
        )

    def open(self) -> None:
        """Begin; raises UserError when the broker does not say where."""
        try:
            partitions = self._partitions()
            self._first_partitions = len(partitions)
            if self._group:
                self._consumer.subscribe(
                    [self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                )
            else:
                self._unplaced = set(partitions)
                self._place(CONNECT_SECONDS)
        except KafkaException as error:
            raise UserError(
                f"{self.topic} cannot be read from {self._servers}: {error.args[0].str()}; see that the broker is well"
            ) from None
        where = "its beginning" if self._from_beginning else "its end"
        where = f"where group {self._group} stopped, else {where}" if self._group else where
        log.info(
            "reading %s (%s) at %s from %s", self.topic, counted(len(partitions), "partition"), self._servers, where
        )

    def read(self, seconds: float, *, at_once: bool = False) -> list[Message]:
        """The next records, at most 1000, after at most `seconds`; `at_once` does not wait for more than the first.

        Raises UserError when the broker refuses us.
        """
        if self._unplaced:
            self._try_to_place()
        if self._from_beginning and not self._is_end_told and self.is_at_first_end:
            self._is_end_told = True
            log.info("%s has no more so far; waiting for what comes (Ctrl-C ends it)", self.topic)
        self._is_rebalanced = False
        if at_once:
            batch = self._consumer.consume(1, seconds)
            batch += self._consumer.consume(BATCH - 1, 0) if batch else []
        else:
            batch = self._consumer.consume(BATCH, seconds)
        records = [record for record in batch if record.error() is None]
        if len(records) < len(batch):
            for error in filter(None, (record.error() for record in batch)):
                self._watch.on_error(error)
        self._watch.check()
        if self._is_rebalanced:
            # What was gathered before the partitions went belongs to whoever has them now: nobody has counted it.
            return []
        # A partition's records are in order, so the last one counts.
        self._next.update({record.partition(): record.offset() + 1 for record in records})  # type: ignore[misc, operator]
        self._returned.update(record.partition() for record in records)  # type: ignore[misc]
        return records

    @property
    def is_at_first_end(self) -> bool:
        """Whether everything was returned that the partitions held when their reading began."""
        return self._is_placed and all(self._next[p] >= end for p, end in self._first_end.items())

    @property
    def is_away(self) -> bool:
        """Whether no broker is connected, as far as we know."""
        return self._watch.is_away

    def lag(self) -> tuple[int, int]:
        """How many records we are behind the end, as far as we know, and in how many partitions we read."""
        behind = self._lags()
        return sum(behind.values()), len(behind)

    def _lags(self) -> dict[int, int]:
        lags = {}
        for partition, following in self._next.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
            lags[partition] = max(0, (end if end >= 0 else self._first_end[partition]) - following)
        return lags

    def returned_by_partition(self) -> dict[int, int]:
        """How many records were returned so far. May be called in any thread."""
        return dict(self._returned)

    def behind_by_partition(self) -> dict[int, int]:
        """How many records each partition that we read is behind its end, as of a second ago. In any thread."""
        return self._behind

    def commit(self) -> None:
        """Tell the group how far we are, without waiting for the answer; without a group there is nothing to tell."""
        offsets = self._uncommitted()
        if self._group and offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                self._watch.on_error(error.args[0])

    def finish(self) -> None:
        """Commit and wait for the answer; raises UserError when there is none."""
        last = dict(self._next) if self._group else {}
        deadline = self._clock.monotonic() + COMMIT_SECONDS
        again = 0.0
        while any(self._committed.get(partition) != offset for partition, offset in last.items()):
            now = self._clock.monotonic()
            if now > deadline:
                raise UserError(
                    f"the broker at {self._servers} did not take the last offsets of group {self._group}; "
                    "the next run counts the records since the last commit again"
                )
            if now >= again:
                self.commit()
                again = now + RETRY_SECONDS
            # Serves the answer; a record that comes with it is not handled, and so not committed.
            self._consumer.poll(0.05)

    def close(self) -> None:
        """Leave the group and the broker. Commits nothing."""
        self._is_closing = True
        self._consumer.close()

    # --- where partitions begin --------------------------------------------------------------------------------------

    def _partitions(self) -> set[int]:
        about = self._consumer.list_topics(self.topic, timeout=CONNECT_SECONDS).topics[self.topic]
        if about.error:
            raise KafkaException(about.error)
        return set(about.partitions)

    def _try_to_place(self) -> None:
        try:
            self._place(1.0)
        except KafkaException as error:
            self._watch.on_error(error.args[0])

    def _place(self, timeout: float) -> None:
        """Begin with the partitions that are ours but not read yet; raises KafkaException."""
        starts: dict[int, int] = {}
        ends: dict[int, int] = {}
        committed = self._committed_offsets(timeout)
        for partition in self._unplaced:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=timeout)
            stopped = max(committed.get(partition, -1), self._reached.get(partition, -1))
            if stopped >= 0:
                # Retention, or a topic made anew, can have removed the place where we stopped.
                starts[partition] = stopped if low <= stopped <= high else low
            else:
                is_new = partition >= self._first_partitions
                starts[partition] = low if self._from_beginning or is_new else high
            ends[partition] = high
        self._next |= starts
        self._first_end |= ends
        self._committed |= committed
        self._unplaced.clear()
        self._is_placed = True
        self._consumer.assign([TopicPartition(self.topic, p, offset) for p, offset in self._next.items()])
        if self._group:
            names = ", ".join(str(number) for number in sorted(starts))
            log.info("group %s gives us partitions %s of %s", self._group, names, self.topic)
            # Even a start is committed: who takes over must not begin at a later end.
            self.commit()

    def _committed_offsets(self, timeout: float) -> dict[int, int]:
        if not self._group:
            return {}
        asked = [TopicPartition(self.topic, partition) for partition in self._unplaced]
        found = self._consumer.committed(asked, timeout=timeout)
        for one in found:
            if one.error:
                raise KafkaException(one.error)
        return {one.partition: one.offset for one in found if one.offset >= 0}

    def _uncommitted(self) -> list[TopicPartition]:
        return [
            TopicPartition(self.topic, partition, offset)
            for partition, offset in self._next.items()
            if self._committed.get(partition) != offset
        ]

    # --- what the client tells us, always from within `read`, `finish` or `close` -------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._is_rebalanced = True
        self._unplaced = {one.partition for one in partitions}
        # Nothing may come before we have said where each partition begins.
        consumer.assign([])
        if not self._unplaced:
            self._is_placed = True
            log.warning("group %s has no partition of %s left for us; we stand by", self._group, self.topic)

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        offsets = [] if self._is_closing else self._uncommitted()
        if offsets:
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                log.warning(
                    "the last offsets of group %s were not taken (%s): their records may be counted twice",
                    self._group,
                    error.args[0].str(),
                )
        self._forget_partitions(consumer)

    def _on_lost(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        log.warning("group %s has not heard of us for too long and shares the partitions anew", self._group)
        self._forget_partitions(consumer)

    def _forget_partitions(self, consumer: Consumer) -> None:
        self._is_rebalanced = True
        self._reached |= self._next
        for known in (self._next, self._committed, self._first_end, self._unplaced):
            known.clear()
        consumer.unassign()

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            if not error and not one.error and one.partition in self._next:
                self._committed[one.partition] = one.offset
        if error:
            self._watch.on_error(error)

    def _on_statistics(self, text: str) -> None:
        statistics = self._watch.on_statistics(text)
        self._behind = self._lags()
        if not self._group:
            # Partitions that the topic has been given since the start.
            known = statistics["topics"].get(self.topic, {}).get("partitions", {})
            self._unplaced |= {int(number) for number in known if int(number) >= 0} - self._next.keys()

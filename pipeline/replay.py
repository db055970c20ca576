"""Replay: dead letters that keep the contract, as they are or after safe repairs, go back to where they came from."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.cimpl import Message

from pipeline import checks
from pipeline.broker import CONNECT_SECONDS, Connection, make_producer
from pipeline.console import UserError, safe_text
from pipeline.dead_letter_choice import Choice
from pipeline.events import DeadLetter, RefusedMessage
from pipeline.mending import Mend, NotMendedError
from pipeline.recent import RecentKeys
from pipeline.records import dead_letter, place
from pipeline.rejections import Rejections
from pipeline.repair import Repaired, repair
from pipeline.topic_reader import TopicReader

DEFAULT_GROUP = "dead-letter-replay"
# A letter that is not acknowledged after this time has failed, and its batch is not committed.
PATIENCE_SECONDS = 30.0


@dataclass
class Outcome:
    """What a replay did, in letters: sent back as they were or repaired, left where they are, or seen before."""

    unchanged: int = 0
    repaired: int = 0
    repeats: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    stayed: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        """How many letters went back and were acknowledged."""
        return self.unchanged + self.repaired

    @property
    def letters(self) -> int:
        """How many letters were handled."""
        return self.sent + self.repeats + self.stayed.total()


class Replay:
    """Sends back the letters of a batch, and commits them once all that were sent are acknowledged.

    `choice` says which letters are meant, `mend` what a person makes of one before the safe repairs (None: nothing),
    `outcome` takes the counts; `now` tells seconds since 1970.
    """

    def __init__(
        self,
        reader: TopicReader,
        link: Connection,
        outcome: Outcome,
        *,
        max_retries: int,
        max_ahead: float,
        choice: Choice,
        mend: Mend | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reader, self._servers, self._outcome = reader, link.servers, outcome
        self._max_retries, self._max_ahead, self._now = max_retries, max_ahead, now
        self._choice, self._mend = choice, mend
        self._producer: Producer = make_producer(link, buffer=100_000, patience=PATIENCE_SECONDS)
        self._topics: set[str] = set()
        self._seen = RecentKeys()
        self.rejections = Rejections()
        self._failures: list[str] = []

    def take(self, records: list[Message]) -> None:
        """Handle the letters of a batch; raises UserError when one that should go back cannot be sent."""
        for record in records:
            try:
                letter = dead_letter(record)
            except RefusedMessage as refused:
                self.rejections.add(refused.code, refused.sentence, place(record))
                self._outcome.stayed["no_dead_letter"] += 1
                continue
            if not self._seen.is_new(letter.origin):
                self._outcome.repeats += 1
                continue
            try:
                self._send(letter, self._repaired(letter), place(record))
            except NotMendedError as reason:
                self._outcome.stayed[str(reason)] += 1
        while len(self._producer):
            self._producer.poll(0.1)
        if self._failures:
            raise UserError(
                f"{len(self._failures):,} dead letters could not be sent back: the first, {self._failures[0]}; "
                "they and those that came with them stay: mend that and run the replay again"
            )
        self._reader.commit()

    def interval(self) -> None:
        """Nothing is due: each batch is committed when it is done."""

    def finish(self) -> None:
        """Log the counts of what was no dead letter at all."""
        self.rejections.log_total()

    def _repaired(self, letter: DeadLetter) -> Repaired:
        if not self._choice.holds(letter):
            raise NotMendedError("not_chosen")
        if letter.retry_count >= self._max_retries:
            raise NotMendedError("retried_too_often")
        if not self._is_suitable(letter.original_topic):
            raise NotMendedError("unsuitable_topic")
        value = self._mend(letter) if self._mend else letter.value
        if value == letter.value and letter.original_size is not None and letter.original_size > len(value or b""):
            raise NotMendedError("truncated")
        try:
            # It will be a new record, so how far ahead its timestamp lies is judged by the present.
            repaired = repair(value, kafka_timestamp_ms=round(self._now() * 1000), max_ahead=self._max_ahead)
        except RefusedMessage as refused:
            raise NotMendedError(refused.code) from None
        by_hand = () if value == letter.value else ("by hand",)
        return replace(repaired, repairs=(*by_hand, *repaired.repairs))

    def _is_suitable(self, topic: str) -> bool:
        """Whether a topic may be written to because a message says so: neither Kafka's own nor the dead letters'."""
        try:
            checks.topic_name(topic)
        except ValueError:
            return False
        return topic != self._reader.topic and not topic.startswith("__")

    def _send(self, letter: DeadLetter, repaired: Repaired, where: str) -> None:
        topic = letter.original_topic
        if not self._exists(topic):
            self._failures.append(f"{where}: its topic {topic} does not exist at {self._servers}")
            return
        try:
            self._producer.produce(
                topic,
                repaired.payload,
                letter.key,
                headers=[("retry_count", str(letter.retry_count + 1).encode())],
                on_delivery=partial(self._on_delivery, repaired, f"{where} to {topic}"),
            )
        except KafkaException as error:
            self._failures.append(f"{where} to {topic}: {error.args[0].str()}")

    def _exists(self, topic: str) -> bool:
        if topic not in self._topics:
            try:
                self._topics = set(self._producer.list_topics(timeout=CONNECT_SECONDS).topics)
            except KafkaException as error:
                raise UserError(
                    f"the broker at {self._servers} does not answer ({error.args[0].str()}); "
                    "nothing that was not acknowledged is marked as done: run the replay again"
                ) from None
        return topic in self._topics

    def _on_delivery(self, repaired: Repaired, where: str, error: KafkaError | None, _record: object) -> None:
        if error:
            self._failures.append(f"{where}: {safe_text(error.str())}")
            return
        if repaired.repairs:
            self._outcome.repaired += 1
            self._outcome.repairs.update(repaired.repairs)
        else:
            self._outcome.unchanged += 1

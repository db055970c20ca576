"""What a Kafka client reports by itself: errors, and whether it is connected."""

from __future__ import annotations

import json
import logging
from typing import Any

from confluent_kafka import KafkaError

from pipeline.console import UserError

log = logging.getLogger(__name__)

_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
}
# The statistics tell of these, and of the broker's return as well.
_AWAY = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}
_CONNECTED = {"UP", "UPDATE"}


class BrokerWatch:
    """Logs one line when the broker goes, one when it is back, and one for each kind of error."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._is_away = False
        self._fatal: str | None = None
        self._reported: set[int] = set()

    @property
    def is_away(self) -> bool:
        """Whether no broker is connected, as far as we know."""
        return self._is_away

    def check(self) -> None:
        """Raise UserError if the broker has refused us for good."""
        if self._fatal:
            raise UserError(f"the broker at {self._servers} refuses: {self._fatal}; check credentials and permissions")

    def on_error(self, error: KafkaError) -> None:
        """The client's callback for errors."""
        if error.code() in _REFUSED or error.fatal():
            self._fatal = error.str()
        elif error.code() not in _AWAY and error.code() not in self._reported:
            self._reported.add(error.code())
            log.warning("Kafka says: %s", error.str())

    def on_statistics(self, text: str) -> dict[str, Any]:
        """The client's statistics (JSON, librdkafka's STATISTICS.md), returned as they are read."""
        statistics: dict[str, Any] = json.loads(text)
        is_away = not any(broker["state"] in _CONNECTED for broker in statistics["brokers"].values())
        if is_away and not self._is_away:
            log.warning("the broker at %s does not answer; reading goes on when it is back", self._servers)
        elif self._is_away and not is_away:
            log.info("the broker at %s answers again", self._servers)
        self._is_away = is_away
        return statistics

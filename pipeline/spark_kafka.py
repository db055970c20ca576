"""Kafka as Spark's source and sink: the options, and our security settings in the words of Java's client."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from pipeline.broker import Connection

# Java's client has other names than librdkafka for the same.
_SAME = ("security.protocol", "sasl.mechanism")
_PEM = {
    "ssl.ca.pem": ("ssl.truststore.type", "ssl.truststore.certificates"),
    "ssl.certificate.pem": ("ssl.keystore.type", "ssl.keystore.certificate.chain"),
    "ssl.key.pem": ("ssl.keystore.type", "ssl.keystore.key"),
}
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
# Spark asks the broker for the partition's ends anew with each poll, so each shall bring much.
_POLL_RECORDS, _FETCH_BYTES = "10000", str(8 * 1024 * 1024)
# A broker that is away is noticed after this time; then the query waits for it and goes on.
_PATIENCE_MS = "20000"


def java_properties(link: Connection) -> dict[str, str]:
    """The connection as properties of Kafka's Java client; reads the files that it names."""
    security = dict(link.portable().security)
    properties = {"bootstrap.servers": link.servers, **{name: security[name] for name in _SAME if name in security}}
    for name, (kind, content) in _PEM.items():
        if name in security:
            properties |= {kind: "PEM", content: security[name]}
    if "sasl.username" in security:
        user, password = _quoted(security["sasl.username"]), _quoted(security["sasl.password"])
        module = _LOGIN_MODULES[security["sasl.mechanism"]]
        properties["sasl.jaas.config"] = f"{module} required username={user} password={password};"
    return properties


def _quoted(text: str) -> str:
    """A text as a JAAS file writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _prefixed(properties: Mapping[str, str]) -> dict[str, str]:
    return {f"kafka.{name}": value for name, value in properties.items()}


def source(
    session: SparkSession, link: Connection, topic: str, *, name: str, starting_offsets: str, limit: int | None
) -> DataFrame:
    """The stream of a topic's records: key, value, topic, partition, offset, timestamp, timestampType and headers.

    `limit` is the most records in a micro-batch. Records that retention removed before they were read fail the query:
    nothing is skipped silently.
    """
    options = {
        **_prefixed(java_properties(link)),
        "kafka.default.api.timeout.ms": _PATIENCE_MS,
        "kafka.request.timeout.ms": _PATIENCE_MS,
        "kafkaConsumer.pollTimeoutMs": _PATIENCE_MS,
        "kafka.max.poll.records": _POLL_RECORDS,
        "kafka.max.partition.fetch.bytes": _FETCH_BYTES,
        "subscribe": topic,
        "startingOffsets": starting_offsets,
        # Spark would ask for the offsets three times, with that patience each; the query's start anew is the other try.
        "fetchOffset.numRetries": "1",
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "groupIdPrefix": f"spark-{name}",
    }
    if limit is not None:
        options["maxOffsetsPerTrigger"] = str(limit)
    return session.readStream.format("kafka").options(**options).load()


def sink_options(link: Connection) -> dict[str, str]:
    """The options of a Kafka sink whose rows name their topic."""
    return _prefixed({**java_properties(link), "acks": "all", "compression.type": "lz4"})

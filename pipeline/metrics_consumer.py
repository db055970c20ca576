"""What consumer.py tells Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.metrics import Metric, Readout, Values
from pipeline.rejections import Rejections
from pipeline.topic_reader import TopicReader

CONSUMED = Metric(
    "pipeline_consumer_records_total", "counter", "records", "records read from the topic", ("topic", "partition")
)
REJECTED = Metric(
    "pipeline_consumer_rejected_total",
    "counter",
    "records",
    "records among them that break the contract, by the reason's code",
    ("topic", "code"),
)
LAG = Metric(
    "pipeline_consumer_lag_records",
    "gauge",
    "records",
    "records between what was read and the partition's end, as of a second ago; of the partitions that are read here",
    ("topic", "partition"),
)
CONNECTED = Metric("pipeline_consumer_broker_up", "gauge", "1 or 0", "whether a broker is connected")

METRICS = (CONSUMED, REJECTED, LAG, CONNECTED)


def readout(reader: TopicReader, rejections: Rejections) -> Readout:
    """What is to be served of a reader and what it rejected."""

    def read() -> Mapping[Metric, Values]:
        topic = reader.topic
        return {
            CONSUMED: {(topic, str(number)): count for number, count in reader.returned_by_partition().items()},
            REJECTED: {(topic, code): count for code, count in rejections.by_code().items()},
            LAG: {(topic, str(number)): count for number, count in reader.behind_by_partition().items()},
            CONNECTED: {(): float(not reader.is_away)},
        }

    return Readout(METRICS, read)

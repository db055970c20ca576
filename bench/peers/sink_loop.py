"""The loop by hand with the fastest parts there are for it: confluent-kafka in batches, orjson, insert_many.

It runs until SIGTERM; processes with the same GROUP share the partitions. What was stored and not yet committed when
it was killed is stored twice.

Usage: sink_loop.py SERVERS TOPIC MONGO_URI DATABASE GROUP
"""

import signal
import sys
from datetime import datetime
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, Message
from pymongo import MongoClient

BATCH = 2000
WAIT_SECONDS = 0.2


def document(message: Message) -> dict[str, Any]:
    """The document of a message, its timestamp as a date."""
    if message.error():
        raise KafkaException(message.error())
    value: dict[str, Any] = orjson.loads(message.value() or b"")
    value["timestamp"] = datetime.fromisoformat(value["timestamp"])
    return value


def main() -> None:
    servers, topic, uri, database, group = sys.argv[1:6]
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            # With the default of a second, a full queue makes a fast reader wait for most of its time.
            "fetch.queue.backoff.ms": 20,
        }
    )
    consumer.subscribe([topic])
    with MongoClient[dict[str, Any]](uri) as client:
        metrics = client[database]["sensor_metrics"]
        while not stopped:
            messages = consumer.consume(BATCH, WAIT_SECONDS)
            if messages:
                metrics.insert_many([document(one) for one in messages], ordered=False)
                consumer.commit(asynchronous=False)
    consumer.close()


main()

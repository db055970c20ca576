"""The same loop by hand with the fastest parts there are for it: orjson and confluent-kafka.

Usage: loop_confluent.py SERVERS TOPIC COUNT
"""

import json
import sys
import time

import orjson
from confluent_kafka import Producer
from reading import reading


def main() -> None:
    servers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 200_000,
        }
    )
    failed = 0

    def delivered(error: object, _message: object) -> None:
        nonlocal failed
        failed += error is not None

    began = time.perf_counter()
    for number in range(count):
        made = reading(number)
        value = orjson.dumps(made)
        while True:
            try:
                producer.produce(topic, value, made["sensor_id"], on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    producer.flush()
    if failed:
        sys.exit(f"{failed} messages failed")
    print(json.dumps({"messages": count, "seconds": time.perf_counter() - began}))


main()

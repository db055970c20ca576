"""The loop that most people write: a dict, json.dumps, KafkaProducer.send with a key. With "tuned" as last word the
client has longer batches.

Usage: loop_kafka_python.py SERVERS TOPIC COUNT plain|tuned
"""

import json
import sys
import time

from kafka import KafkaProducer
from reading import reading


def main() -> None:
    servers, topic, count, manner = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    more = {"linger_ms": 20, "batch_size": 262_144, "compression_type": "lz4"} if manner == "tuned" else {}
    producer = KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        key_serializer=str.encode,
        value_serializer=lambda value: json.dumps(value).encode(),
        **more,
    )
    began = time.perf_counter()
    for number in range(count):
        made = reading(number)
        producer.send(topic, key=made["sensor_id"], value=made)
    producer.flush()
    print(json.dumps({"messages": count, "seconds": time.perf_counter() - began}))


main()

"""The loop that most people write: a dict, json.dumps, KafkaProducer.send with a key. With "tuned" as last word the
client has longer batches.

Usage: loop_kafka_python.py SERVERS TOPIC COUNT plain|tuned
"""

import json
import random
import sys
import time
import uuid
from datetime import UTC, datetime

from kafka import KafkaProducer  # type: ignore[import-untyped]


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
    run = uuid.uuid4().hex[:12]
    began = time.perf_counter()
    for number in range(count):
        sensor = f"sensor_{number % 1000:03d}"
        reading = {
            "schema_version": 1,
            "event_id": str(uuid.uuid4()),
            "run": run,
            "sequence": number // 1000,
            "timestamp": datetime.now(UTC).isoformat(),
            "sensor_id": sensor,
            "sensor_type": "temperature",
            "value": round(random.gauss(21, 2), 2),
            "unit": "°C",
            "location": "factory-floor-a1",
            "status": "normal",
            "metadata": {"sensor_model": "MODEL_01", "battery_level": 88},
        }
        producer.send(topic, key=sensor, value=reading)
    producer.flush()
    print(json.dumps({"messages": count, "seconds": time.perf_counter() - began}))


main()

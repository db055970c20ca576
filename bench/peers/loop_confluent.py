"""The same loop by hand with the fastest parts there are for it: orjson and confluent-kafka.

Usage: loop_confluent.py SERVERS TOPIC COUNT
"""

import json
import random
import sys
import time
import uuid
from datetime import UTC, datetime

import orjson  # type: ignore[import-not-found]
from confluent_kafka import Producer


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
    run = uuid.uuid4().hex[:12]
    failed = 0

    def delivered(error: object, _message: object) -> None:
        nonlocal failed
        failed += error is not None

    began = time.perf_counter()
    for number in range(count):
        sensor = f"sensor_{number % 1000:03d}"
        value = orjson.dumps(
            {
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
        )
        while True:
            try:
                producer.produce(topic, value, sensor, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    producer.flush()
    if failed:
        sys.exit(f"{failed} messages failed")
    print(json.dumps({"messages": count, "seconds": time.perf_counter() - began}))


main()

"""The loop that most people write to watch a topic: kafka-python, json.loads, a DataFrame of all that has come, and
every few seconds the mean of each type.

Usage: loop_dataframe.py SERVERS TOPIC COUNT SECONDS
"""

import json
import sys
import time

import pandas as pd
from kafka import KafkaConsumer


def main() -> None:
    servers, topic, count, interval = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        value_deserializer=json.loads,
    )
    frame, new = pd.DataFrame(), []
    seen = began = told = 0.0
    for message in consumer:
        began = began or time.perf_counter()
        told = told or began
        new.append(message.value)
        seen += 1
        if seen == count or time.perf_counter() - told >= interval:
            frame = pd.concat([frame, pd.DataFrame(new)], ignore_index=True)
            new.clear()
            print(frame.groupby("sensor_type")["value"].mean().to_dict(), file=sys.stderr)
            told = time.perf_counter()
        if seen == count:
            break
    with open("/proc/self/status") as status:
        [memory] = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    seconds = time.perf_counter() - began
    print(json.dumps({"messages": count, "seconds": seconds, "bytes": 1024 * int(memory)}))


main()

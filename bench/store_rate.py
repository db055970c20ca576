"""How many readings a second one process stores, as a ratio to bare inserts without a schema in the same run.

The rounds take turns, so that whatever else the machine does meets all of them; the median of each counts.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

import measuring
from harness import local_mongod
from measuring import server
from pymongo import MongoClient
from stored import opened, readings

from pipeline import store, store_alarms, store_documents, store_writes
from pipeline.store import Store
from pipeline.store_writes import USUAL

SENSORS = 1000
# One reading in so many breaks a rule.
ALERTS_PER = 20
Records = list[dict[str, Any]]


def bare(target: Store, records: Records, size: int) -> None:
    """The documents that we make, into a collection that has neither validator nor index, not journalled."""
    now = store_writes.utc_now()
    with MongoClient[dict[str, Any]](target.uri) as client:
        for part in store_writes.batches(records, size):
            documents = [store_documents.reading(record, now) for record in part]
            client[target.database]["bare"].insert_many(documents, ordered=False)


def stored(target: Store, records: Records, size: int) -> None:
    """Readings and each sensor's last one."""
    written = store_writes.write_readings(target, records, replace(USUAL, batch=size))
    if written.stored + written.known != len(records):
        raise SystemExit(f"{len(written.refused)} readings were refused")


def alerts_of(records: Records) -> Records:
    """An alert for one reading in twenty, those of a sensor so far apart that each raises an alarm: the worst case."""
    return [
        {
            **{name: one[name] for name in ("sensor_id", "sensor_type", "location", "unit", "value", "timestamp")},
            "alert_id": f"too_hot-{one['event_id']}",
            "alert_type": "too_hot",
            "priority": "high",
            "threshold": 35.0,
            "message": "temperature is above 35 °C",
        }
        for one in records[::ALERTS_PER]
    ]


def alerted(target: Store, records: Records, size: int) -> None:
    """Alerts and the alarms that they make."""
    store_alarms.write_alerts(target, records, manner=replace(USUAL, batch=size))


def rate(work: Callable[[Store, Records, int], None], target: Store, records: Records, size: int) -> float:
    """Records a second."""
    begin = time.perf_counter()
    work(target, records, size)
    return len(records) / (time.perf_counter() - begin)


def measure(uri: str, count: int, rounds: int, size: int) -> dict[str, list[float]]:
    """Records a second of each kind, one figure a round; every round has a database of its own."""
    found: dict[str, list[float]] = {"bare": [], "stored": [], "again": [], "alerts": []}
    records = readings(count, sensors=SENSORS)
    alerts = alerts_of(records)
    for _ in range(rounds):
        target = store.ensure(uri, f"bench_{secrets.token_hex(4)}")
        try:
            found["bare"].append(rate(bare, target, records, size))
            found["stored"].append(rate(stored, target, records, size))
            found["again"].append(rate(stored, target, records, size))
            found["alerts"].append(rate(alerted, target, alerts, size))
        finally:
            with opened(uri, target.database) as database:
                database.client.drop_database(database)
    return found


def main() -> int:
    """Write the readings in every manner, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000, help="readings a round (default: 50000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--batch", type=int, default=USUAL.batch, help=f"records a batch (default: {USUAL.batch})")
    parser.add_argument("--mongo-uri", help="a MongoDB server to use (default: one of our own)")
    options = parser.parse_args()
    with server(options.mongo_uri, local_mongod, attrgetter("uri")) as uri:
        found = measure(uri, options.messages, options.rounds, options.batch)
    median = {name: statistics.median(rates) for name, rates in found.items()}
    print(
        f"{options.rounds} rounds of {options.messages:,} readings of {SENSORS:,} sensors, batches of {options.batch:,}"
    )
    print(f"bare inserts, no index, no validator, not journalled: {median['bare']:>9,.0f} a second")
    for name, what in (
        ("stored", "write_readings"),
        ("again", "write_readings, all known"),
        ("alerts", "write_alerts, an alarm each"),
    ):
        ratios = [rate / bare for rate, bare in zip(found[name], found["bare"], strict=True)]
        print(f"{what + ':':<54}{median[name]:>9,.0f} a second, {statistics.median(ratios):.2f} of bare inserts")
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

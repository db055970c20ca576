"""How many readings a second verify.py's comparison takes in, and how much memory it needs for them.

A run of a fleet is stored with its windows, its ledger is written, and both are compared in a process of their own.
The rate is given beside that of reading the same documents with the plain client, which is the floor.
"""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import pandas as pd
import psutil
from harness import local_mongod
from stored import RUN, START, opened
from windowed import windows_of

from pipeline import event_ids, oracle, rules, store, store_writes
from pipeline.catalog import DEFAULT_TYPES, Catalog
from pipeline.ledger import RunLine, RunRecord

SENSORS, PER_SECOND = 1000, 1000
PART = 50_000
SAMPLE_SECONDS = 0.02
LOCATIONS = tuple(f"location-{number}" for number in range(12))


def columns(count: int) -> dict[str, np.ndarray[Any, Any]]:
    """The fields of so many readings of a fleet, a column each."""
    numbers = np.arange(count)
    rng = np.random.default_rng(1)
    sensors = numbers % SENSORS
    kind = sensors % len(DEFAULT_TYPES)
    known = [Catalog().types[name] for name in DEFAULT_TYPES]
    low, high = (np.array([getattr(one, name) for one in known]) for name in ("normal_minimum", "normal_maximum"))
    return {
        "sequence": numbers // SENSORS,
        "sensor": sensors,
        "milliseconds": numbers * 1000 // PER_SECOND,
        "sensor_type": np.array(DEFAULT_TYPES)[kind],
        "location": np.array(LOCATIONS)[sensors // len(DEFAULT_TYPES) % len(LOCATIONS)],
        # As is normal for its type, so that no alert is missing.
        "value": np.round(rng.uniform(low[kind], high[kind]), 2),
    }


def records(fields: dict[str, np.ndarray[Any, Any]]) -> Iterator[dict[str, Any]]:
    """The readings as records."""
    for begin in range(0, len(fields["sequence"]), PART):
        part = {name: column[begin : begin + PART] for name, column in fields.items()}
        ids = event_ids.encode(RUN, part["sequence"], part["sensor"])
        for event_id, *row in zip(ids, *(column.tolist() for column in part.values()), strict=True):
            sequence, sensor, milliseconds, sensor_type, location, value = row
            yield {
                "event_id": event_id,
                "run": RUN,
                "sequence": sequence,
                "timestamp": START + timedelta(milliseconds=milliseconds),
                "sensor_id": f"sensor_{sensor:03d}",
                "sensor_type": sensor_type,
                "value": value,
                "location": location,
                "status": "normal",
            }


def windows(fields: dict[str, np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
    """Their windows, by pandas."""
    frame = pd.DataFrame({name: fields[name] for name in ("sensor_type", "location", "value")})
    frame["timestamp"] = pd.to_datetime(fields["milliseconds"] + round(START.timestamp() * 1000), unit="ms", utc=True)
    return windows_of(frame)


def record(count: int) -> RunRecord:
    """What their ledger says."""
    sizes = {sensor: len(range(sensor, count, SENSORS)) for sensor in range(SENSORS)}
    about = RunLine(run=RUN, version=1, seed=1, start=START.isoformat(), topic="sensor-data", sensors=SENSORS)
    ranges = {sensor: [(0, size - 1)] for sensor, size in sizes.items() if size}
    return RunRecord(about, ended=True, sent=count, acknowledged=count, ranges=ranges)


def compare(uri: str, database: str, count: int, pipe: Connection) -> None:
    """Compare, in a process of its own, and tell seconds, whether all agrees, and the windows."""
    target = store.connect(uri, database)
    pipe.send(None)
    begin = time.perf_counter()
    verdict = oracle.compare(target, {RUN: record(count)}, [RUN], rules.load(None))
    pipe.send((time.perf_counter() - begin, verdict.agrees, verdict.windows.compared))


def plain_reading(uri: str, database: str) -> float:
    """Seconds to read what the comparison needs with the client alone."""
    begin = time.perf_counter()
    fields = dict.fromkeys(("timestamp", "sensor_type", "location", "value"), 1)
    with opened(uri, database) as found:
        for _ in found["sensor_metrics"].find({}, fields, sort={"timestamp": 1}, batch_size=20_000):
            pass
    return time.perf_counter() - begin


def main() -> int:
    """Fill a mongod, compare, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="readings (default: 200000)")
    options = parser.parse_args()
    count = options.messages
    with tempfile.TemporaryDirectory() as folder, local_mongod(Path(folder)) as server:
        target = store.ensure(server.uri, f"bench_{secrets.token_hex(4)}")
        fields = columns(count)
        store_writes.write_readings(target, records(fields))
        store_writes.write_windows(target, windows(fields))
        floor = plain_reading(server.uri, target.database)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=compare, args=(server.uri, target.database, count, theirs))
        process.start()
        theirs.close()
        watched = psutil.Process(process.pid)
        ours.recv()
        before = peak = watched.memory_info().rss
        while not ours.poll(SAMPLE_SECONDS):
            peak = max(peak, watched.memory_info().rss)
        seconds, agrees, compared = ours.recv()
        process.join()
    if not agrees:
        raise SystemExit("the comparison did not agree")
    print(f"{count:,} readings and {compared:,} windows compared in {seconds:.1f} s: {count / seconds:,.0f} readings/s")
    print(f"reading them with the client alone: {floor:.1f} s, {floor / seconds:.2f} of the comparison's time")
    print(f"memory: at most {peak / 2**20:,.0f} MiB, of which {before / 2**20:,.0f} MiB were there before it began")
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

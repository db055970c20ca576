"""What a Spark job that has run for a while leaves of itself, for the tests of the page about it; also as a command.

PYTHONPATH=.:tests python tests/pipeline_data.py --mongo-uri mongodb://127.0.0.1:27017 --seconds 86400
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import stored

from pipeline import latency, store, store_documents, store_writes
from pipeline.console import StopRequest
from pipeline.latency_counts import counted
from pipeline.refusals import Refusal
from pipeline.store import Store
from pipeline.store_writes import Manner

# What a message of each reason may look like.
LETTERS: dict[Refusal, bytes | None] = {
    Refusal.NOT_JSON: b"{'sensor_id': 'sensor_7', 'value': 21.4}",
    Refusal.NOT_UTF8: '{"sensor_id": "sensor_7", "unit": "°C"}'.encode("latin-1"),
    Refusal.BAD_FIELD: b'{"sensor_id": "sensor_7", "value": "21,4 \xe2\x80\xae\x1b[2J", "note": "<b>=A(1)</b>"}',
    Refusal.NULL_MESSAGE: None,
    Refusal.TIMESTAMP_AHEAD: b'{"sensor_id": "sensor_7", "timestamp": "2036-01-01T00:00:00Z", "value": 21.4}',
    Refusal.MISSING_FIELD: b'{"sensor_id": "' + b"x" * 1500 + b'"}',
}


@dataclass
class SimulatedJob:
    """A job at work until `until`: a batch each `trigger` seconds, `rate` messages a second, some of them refused.

    `run` lets it go on.
    """

    target: Store
    until: datetime
    seconds: float = 900.0
    rate: float = 1000.0
    trigger: float = 2.0
    partitions: int = 3
    refused_a_batch: float = 0.5
    fed: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def write(self) -> None:
        """Store the progress of its queries, their totals, and the newest of what was refused."""
        documents = list(self._batches())
        for start in range(0, len(documents), 5000):
            self.target.collection("pipeline_progress").insert_many(documents[start : start + 5000])
        for query, counts in self._totals(documents).items():
            total = {"_id": f"simulated-{query}", "query": query, "last_batch": 1, "at": self.until, "counts": counts}
            self.target.collection("pipeline_totals").replace_one({"_id": total["_id"]}, total, upsert=True)
        self.write_letters(60)
        now = Manner(now=lambda: store_documents.instant(self.until))
        store_writes.write_readings(self.target, stored.readings(30, start=self.until - timedelta(seconds=3)), now)

    def feed(self) -> None:
        """Another batch of each query, now."""
        self.fed += 1
        now = datetime.now(UTC)
        for query in ("readings", "windows"):
            batch = self._batch(query, 10**6 + self.fed, now)
            self.target.collection("pipeline_progress").insert_one(batch)
        sign = {"$set": {"at": store_documents.instant(now)}}
        self.target.collection("pipeline_progress").update_one({"_id": "simulated-router-0"}, sign)

    def run(self, stop: threading.Event | StopRequest, interval: float = 1.0) -> None:
        """Go on until told to stop."""
        while not stop.wait(interval):
            self.feed()

    def write_letters(self, count: int) -> None:
        """Store refused messages, a minute apart."""
        for number in range(count):
            code, value = list(LETTERS.items())[number % len(LETTERS)]
            at = store_documents.instant(self.until - timedelta(minutes=number))
            letter = stored.dead_letter(number, value, code=code.value, reason=f"this is {code.value}")
            store_writes.write_dead_letters(self.target, [letter], Manner(now=partial(_same, at)))

    def _batches(self) -> Iterator[dict[str, Any]]:
        begin = self.until - timedelta(seconds=self.seconds)
        for number in range(int(self.seconds / self.trigger)):
            at = begin + timedelta(seconds=number * self.trigger)
            for query in ("readings", "windows"):
                yield self._batch(query, number, at)
        yield {
            "_id": "simulated-router-0",
            "query": "router",
            "query_id": "simulated-router",
            "batch_id": 0,
            "at": self.until,
            "state": "running",
            "mode": "real-time",
            "trigger_seconds": 300.0,
        }

    def _batch(self, query: str, number: int, at: datetime) -> dict[str, Any]:
        rows = int(self.rng.poisson(self.rate * self.trigger))
        took = float(self.rng.gamma(20, 0.03))
        shares = self.rng.multinomial(rows, [1 / self.partitions] * self.partitions)
        batch = {
            "_id": f"simulated-{query}-{number}",
            "query": query,
            "query_id": f"simulated-{query}",
            "batch_id": number,
            "at": store_documents.instant(at),
            "state": "running",
            "mode": "micro-batch",
            "trigger_seconds": self.trigger,
            "rows": rows,
            "rows_per_second": rows / took,
            "input_rows_per_second": rows / self.trigger,
            "batch_seconds": took,
            "phases": {"addBatch": 0.8 * took, "walCommit": 0.1 * took, "queryPlanning": 0.05 * took},
            "lag": 0,
            "waiting_by_partition": {str(one): int(share) for one, share in enumerate(shares)},
            "late": 0,
            "duplicates": 0,
            "state_rows": 0,
            "state_bytes": 0,
        }
        if query == "windows":
            late = int(self.rng.poisson(0.05))
            state = {"late": late, "state_rows": 120_000 + rows, "state_bytes": 48_000_000 + 100 * rows}
            return {**batch, **state, "watermark": store_documents.instant(at - timedelta(seconds=121)), "stored": 72}
        refused = self.rng.multinomial(self.rng.poisson(self.refused_a_batch), [0.5, 0.3, 0.2])
        codes = dict(zip(("not_json", "bad_field", "not_utf8"), map(int, refused), strict=True))
        to_broker = self.rng.gamma(4, 1.5, 400)
        to_spark = self.rng.uniform(0, 1000 * self.trigger, 400) + self.rng.gamma(9, 12)
        to_store = np.full(400, self.rng.gamma(30, 4))
        legs = (to_broker, to_spark, to_store, to_broker + to_spark + to_store)
        return {
            **batch,
            "stored": rows - sum(codes.values()),
            "known": 0,
            "alerts": rows // 100,
            "refused": sum(codes.values()),
            "refused_by_code": {code: count for code, count in codes.items() if count},
            "latency": {leg: counted(list(map(int, times))) for leg, times in zip(latency.LEGS, legs, strict=True)},
        }

    def _totals(self, documents: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
        names = {"readings": ("stored", "known", "refused", "alerts"), "windows": ("late", "stored")}
        return {
            query: {name: sum(one.get(name, 0) for one in documents if one["query"] == query) for name in counted}
            for query, counted in names.items()
        }


def _same(moment: datetime) -> datetime:
    return moment


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mongo-uri", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--database", default="iot_analytics")
    parser.add_argument("--seconds", type=float, default=86_400.0)
    given = parser.parse_args()
    job = SimulatedJob(store.ensure(given.mongo_uri, given.database), datetime.now(UTC), given.seconds)
    job.write()
    with StopRequest() as stop:
        job.run(stop, job.trigger)


if __name__ == "__main__":
    main()

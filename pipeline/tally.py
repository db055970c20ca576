"""What a producer counts: messages, types, labels, and how long acknowledgements take."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.messages import Message

# Neighbouring buckets differ by 2 %, which is the error of a percentile.
_BUCKET_RATIO = math.log(1.02)
_SMALLEST_SECONDS = 1e-6


@dataclass
class LatencyHistogram:
    """Latencies in logarithmic buckets: bounded memory, percentiles to within 2 %, sums that can be added up."""

    buckets: dict[int, int] = field(default_factory=dict)
    count: int = 0
    total: float = 0.0

    def record(self, seconds: Sequence[float]) -> None:
        """Count latencies."""
        times = np.asarray(seconds, dtype=np.float64)
        positions = np.log(np.maximum(times, _SMALLEST_SECONDS) / _SMALLEST_SECONDS) / _BUCKET_RATIO
        found = np.unique(np.ceil(positions).astype(np.int64), return_counts=True)
        for bucket, count in zip(*(one.tolist() for one in found), strict=True):
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += len(times)
        self.total += float(times.sum())

    @property
    def mean(self) -> float:
        """The mean in seconds; 0 when nothing was recorded."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` (0 to 1) of all do not exceed; 0 when nothing was recorded."""
        wanted = math.ceil(share * self.count)
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return _SMALLEST_SECONDS * math.exp(bucket * _BUCKET_RATIO)
        return 0.0

    def within(self, seconds: float) -> int:
        """How many latencies were that long at most."""
        last = round(_position(seconds))
        return sum(count for bucket, count in self.buckets.items() if bucket <= last)

    def add(self, other: LatencyHistogram, sign: int = 1) -> None:
        """Add another histogram's counts, or with -1 take them away."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + sign * count
        self.count += sign * other.count
        self.total += sign * other.total


def _position(seconds: float) -> float:
    """Where a latency stands among the buckets."""
    return math.log(max(seconds, _SMALLEST_SECONDS) / _SMALLEST_SECONDS) / _BUCKET_RATIO


@dataclass
class Tally:
    """Counts of messages. `types` is by type index; the histogram is of acknowledgement latencies.

    `behind` is how many seconds after its time the last message was handed over, 0 without a timetable.
    Monotonic instants, 0 until then: `sending_ended` after the last message was handed over, `awaiting_ended` when no
    acknowledgement was waited for any more.
    """

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    anomalies: int = 0
    types: dict[int, int] = field(default_factory=dict)
    faults: dict[int, int] = field(default_factory=dict)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    behind: float = 0.0
    sending_ended: float = 0.0
    awaiting_ended: float = 0.0

    def count_sent(self, messages: Sequence[Message]) -> None:
        """Messages were handed to the Kafka client (or written, in a dry run)."""
        self.sent += len(messages)
        self.anomalies += sum(message.anomaly for message in messages)
        for kind, count in Counter(message.type for message in messages).items():
            self.types[kind] = self.types.get(kind, 0) + count

    def count_fault(self, fault: int) -> None:
        """A reading has a fault on purpose."""
        self.faults[fault] = self.faults.get(fault, 0) + 1

    @property
    def waiting(self) -> int:
        """Messages that are neither acknowledged nor failed."""
        return self.sent - self.acknowledged - self.failed

    def add(self, other: Tally, sign: int = 1) -> None:
        """Add another tally's counts, or with -1 take them away."""
        self.sent += sign * other.sent
        self.acknowledged += sign * other.acknowledged
        self.failed += sign * other.failed
        self.anomalies += sign * other.anomalies
        for mine, others in ((self.types, other.types), (self.faults, other.faults)):
            for key, count in others.items():
                mine[key] = mine.get(key, 0) + sign * count
        self.latency.add(other.latency, sign)
        if sign > 0:
            self.behind = max(self.behind, other.behind)
        self.sending_ended = max(self.sending_ended, other.sending_ended)
        self.awaiting_ended = max(self.awaiting_ended, other.awaiting_ended)


def difference(later: Tally, earlier: Tally) -> Tally:
    """What was counted between two moments."""
    result = Tally()
    result.add(later)
    result.add(earlier, -1)
    return result

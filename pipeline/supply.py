"""How readings come in, by what the streaming queries report of their batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

Record = Mapping[str, Any]
Supply = Literal["working", "idle", "waiting", "silent"]

# How far back throughput looks, and how long without a batch means that nothing comes in.
RATE_SECONDS, IDLE_SECONDS = 10.0, 30.0
# A query gives a sign of life every 10 seconds; without one for so long it is not at work.
HEARD_SECONDS = 60.0


def throughput(batches: Sequence[Record], now: datetime) -> float | None:
    """Rows a second, of a query's batches, newest first: those that came after the first of the last 10 seconds or so.

    0 when there was no batch for 30 seconds, None when that cannot be told yet.
    """
    if batches and (now - batches[0]["at"]).total_seconds() > IDLE_SECONDS:
        return 0.0
    rows = 0
    span = 0.0
    for newer, older in pairwise(batches):
        rows += newer.get("rows") or 0
        span = (batches[0]["at"] - older["at"]).total_seconds()
        if span >= RATE_SECONDS:
            break
    return rows / span if span > 0 else None


def supply(batches: Sequence[Record], now: datetime) -> Supply:
    """Where new readings stay, by the batches of the query that stores them, newest first.

    "working": it is at work on a batch, so it may be behind; "idle": it found none on the topic; "waiting": for a
    server; "silent": it has not been heard of for a minute.
    """
    if not batches or (now - batches[0]["at"]).total_seconds() > HEARD_SECONDS:
        return "silent"
    if batches[0].get("state") == "waiting":
        return "waiting"
    # A sign of life during a long batch says nothing about rows.
    return "idle" if batches[0].get("rows") == 0 else "working"

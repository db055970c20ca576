"""What the page about the pipeline draws, as one JSON document a tick."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline import letter_remedies, letter_text, pipeline_states, progress_points, store_dashboard, store_pipeline
from pipeline.console import safe_text
from pipeline.figures import milliseconds
from pipeline.overview_snapshots import QUERIES
from pipeline.snapshots import Sources
from pipeline.store_faults import StoreError, StoreUnavailable
from pipeline.store_pipeline import COUNT_LIMIT, Holding, Holdings
from pipeline.view import View
from pipeline.window_history import Histories, bin_seconds

Document = dict[str, Any]
Record = Mapping[str, Any]

# The fields of the view that matter here.
FIELDS = ("range", "since", "until", "reason")
# The newest batches of each query, by which its state is judged.
BATCHES = 30
LETTERS = 100
# Up to so long a time is read anew each tick, more in pieces.
DIRECT_SECONDS = 900
# The most points of a line.
POINTS = 200
# Sizes change slowly, and the server adds them up.
HOLDINGS_SECONDS = 30.0
# Where the database does not tell for how long batches are kept.
DAY_SECONDS = 86_400


class PipelineSnapshots:
    """Makes the documents, and keeps what was read of long ranges."""

    def __init__(self, sources: Sources) -> None:
        self._store, self._now, self._clock = sources.store, sources.now, sources.clock
        self._lock = threading.Lock()
        # And when it was asked for.
        self._held: tuple[float, Holdings | str] | None = None
        self._histories = Histories(sources.clock)

    def make(self, view: View) -> Document:
        """The document for a view; raises StoreError when MongoDB does not answer."""
        now = self._now()
        since, until = view.span(now)
        store = self._store
        progress = store_dashboard.progress(store, QUERIES, BATCHES)
        counts = store_dashboard.totals(store, [batches[0]["query_id"] for batches in progress.values() if batches])
        holdings = self._holdings()
        kept = _kept_seconds(holdings)
        first = max(since, now - timedelta(seconds=kept))
        width = bin_seconds((until - since).total_seconds(), POINTS)
        points, complete = self._points(first, until, now, width)
        by_query = {name: [one for one in points if one["query"] == name] for name in QUERIES}
        disk = None if isinstance(holdings, str) else (holdings.disk_used, holdings.disk_size)
        parts = pipeline_states.parts(QUERIES, progress, now, disk)
        states = {part.name: part for part in parts}
        return {
            "complete": complete,
            "kept": {"seconds": kept, "is_cut": first > since, "is_empty": not points},
            "bin_seconds": width,
            "parts": [asdict(part) for part in parts],
            "legs": progress_points.legs(by_query["readings"]),
            "stored": stored_instants(progress["readings"]),
            "queries": [query_row(name, progress[name], counts, states[name].state) for name in QUERIES],
            "series": {name: progress_points.columns(found, width) for name, found in by_query.items() if found},
            "losses": progress_points.losses(points),
            "letters": self._letters(view.reason, counts),
            "holdings": holdings_rows(holdings, stored_rate(progress["readings"])),
        }

    def _points(self, since: datetime, until: datetime, now: datetime, width: int) -> tuple[list[Record], bool]:
        def read(since: datetime, until: datetime) -> list[Document]:
            found = [one for name in QUERIES for one in store_pipeline.batches(self._store, name, since, until)]
            return progress_points.points(found, width)

        seconds = (until - since).total_seconds()
        if seconds <= 0:
            return [], True
        if seconds <= DIRECT_SECONDS:
            # A bin that is not seen as a whole would tell too little.
            first = math.ceil(since.timestamp() / width) * width
            return [*read(datetime.fromtimestamp(first, UTC), until)], True
        found, complete = self._histories.points("batches", read, since, until, now, width)
        return sorted(found, key=lambda point: point["at"]), complete

    def _letters(self, reason: str | None, totals: Mapping[str, Record]) -> Document:
        store = self._store
        return {
            "reason": reason,
            "codes": store_pipeline.reasons(store),
            "count_limit": COUNT_LIMIT,
            "stored": store_dashboard.dead_letters(store),
            "refused": sum(counts.get("refused") or 0 for counts in totals.values()),
            "rows": [letter_row(one) for one in store_pipeline.letters(store, reason, LETTERS)],
            **letter_remedies.remedy(reason),
        }

    def _holdings(self) -> Holdings | str:
        """What the database holds, or why this user may not know."""
        with self._lock:
            held = self._held
        if held and self._clock.monotonic() - held[0] < HOLDINGS_SECONDS:
            return held[1]
        try:
            found: Holdings | str = store_pipeline.holdings(self._store)
        except StoreUnavailable:
            raise
        except StoreError as error:
            found = str(error)
        with self._lock:
            self._held = self._clock.monotonic(), found
        return found


def query_row(name: str, batches: Sequence[Record], totals: Mapping[str, Record], state: str) -> Document:
    """What is said of a streaming query; a figure that it does not report is None."""
    told = [one for one in batches if one.get("rows") is not None]
    worked = [one for one in told if one["rows"]]
    last = told[0] if told else {}
    is_real_time = bool(batches) and batches[0].get("mode") == "real-time"
    counts = totals.get(batches[0]["query_id"], {}) if batches else {}
    spans = sorted(one["batch_seconds"] for one in worked if one.get("batch_seconds") is not None)
    phases: Record = (worked[0] if worked else {}).get("phases") or {}
    behind = (last["at"] - last["watermark"]).total_seconds() if "watermark" in last else None
    return {
        "query": name,
        "state": state,
        "is_real_time": is_real_time,
        "at": milliseconds(batches[0]["at"]) if batches else None,
        "trigger_seconds": batches[0].get("trigger_seconds") if batches else None,
        "batch_id": last.get("batch_id"),
        # A batch in real time lasts minutes, and tells of lag and speed only when it ends.
        "lag": None if is_real_time or not last else sum(last.get("waiting_by_partition", {}).values()),
        "batch_seconds": None if is_real_time or not spans else spans[len(spans) // 2],
        "longest_seconds": None if is_real_time or not spans else spans[-1],
        "input_rows_per_second": None if is_real_time else last.get("input_rows_per_second"),
        "rows_per_second": None if is_real_time or not worked else worked[0].get("rows_per_second"),
        "phases": {} if is_real_time else phases,
        "watermark": milliseconds(last["watermark"]) if "watermark" in last else None,
        "behind": behind,
        "state_rows": last.get("state_rows"),
        "state_bytes": last.get("state_bytes"),
        "late": counts.get("late"),
        "refused": counts.get("refused"),
    }


def stored_instants(batches: Sequence[Record]) -> list[list[float]]:
    """When each of the newest batches was stored (milliseconds since 1970), and how many readings it brought."""
    return [
        [milliseconds(one["at"]) + round(1000 * one["batch_seconds"]), one["stored"]]
        for one in batches
        if one.get("stored") and one.get("batch_seconds") is not None
    ]


def stored_rate(batches: Sequence[Record]) -> float | None:
    """How many readings a second the newest batches brought; None without two of them."""
    told = [one for one in batches if one.get("rows") is not None]
    seconds = (told[0]["at"] - told[-1]["at"]).total_seconds() if told else 0.0
    return sum(one.get("stored") or 0 for one in told[:-1]) / seconds if seconds > 0 else None


def letter_row(letter: Record) -> Document:
    """A dead letter as a row of the grid."""
    return {
        "id": letter["_id"],
        "topic": letter["topic"],
        "partition": letter["partition"],
        "offset": letter["offset"],
        "code": letter["code"],
        "reason": safe_text(letter["reason"]),
        "retries": letter.get("retry_count"),
        "stored": milliseconds(letter["stored_at"]),
        "size": letter.get("size"),
        "shown": letter_text.shortly(letter),
    }


def letter_whole(letter: Record) -> Document:
    """All that is stored of a dead letter."""
    key = letter.get("key")
    return {
        **letter_row(letter),
        "reason": safe_text(letter["reason"], len(letter["reason"])),
        "key": None if key is None else letter_text.shortly({"value": key}),
        "appended": milliseconds(letter["kafka_timestamp"]) if "kafka_timestamp" in letter else None,
        "kept": len(letter.get("value") or b""),
        **letter_text.whole(letter),
    }


def holdings_rows(holdings: Holdings | str, rate: float | None) -> Document:
    """What the database holds, and what the readings will take at this rate once the oldest expire; or why unknown."""
    if isinstance(holdings, str):
        return {"error": holdings}
    readings = next((one for one in holdings.collections if one.name == "sensor_metrics"), None)
    return {
        "collections": [asdict(one) for one in holdings.collections],
        "disk_used": holdings.disk_used,
        "disk_size": holdings.disk_size,
        "forecast": forecast(readings, rate) if readings and rate else None,
    }


def forecast(readings: Holding, rate: float) -> int | None:
    """Bytes that the readings take when they have come at this rate for as long as they are kept.

    None where they are kept for good, or are too few to tell what one takes.
    """
    if readings.expires_after is None or readings.documents < COUNT_LIMIT:
        return None
    each = (readings.disk_bytes + readings.index_bytes) / readings.documents
    return round(each * rate * readings.expires_after)


def _kept_seconds(holdings: Holdings | str) -> int:
    """For how long batches are kept."""
    if not isinstance(holdings, str):
        for one in holdings.collections:
            if one.name == "pipeline_progress":
                return one.expires_after or 7 * DAY_SECONDS
    return DAY_SECONDS

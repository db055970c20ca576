"""How each part of the pipeline is, as the queries' progress and the database tell, and what to do when it is not well.

Everything is judged by the newest batches of each query, newest first, and the page's own clock.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pipeline.supply import HEARD_SECONDS

Record = Mapping[str, Any]
Progress = Mapping[str, Sequence[Record]]
State = Literal["good", "warn", "bad", "unknown"]

# No message for so long, and a producer is missed.
QUIET_SECONDS = 30.0
# What takes longer than this to arrive, and than so many triggers, is a backlog, if it is also so many messages.
BACKLOG_SECONDS, BACKLOG_TRIGGERS, BACKLOG_MESSAGES = 15.0, 3, 1000
# Batches that last so many triggers are too slow; a little more than one is made up for by the next.
SLOW_TRIGGERS = 1.2
# Over so many batches it is judged whether they keep to the trigger.
BATCHES = 10
# Parts of a disk that are in use.
DISK_FILLS, DISK_FULL = 0.85, 0.95

PRODUCER, BROKER, MONGODB = "producer", "broker", "mongodb"
START_PRODUCER = "python producer.py --sensors 1000 --rate 1000"
START_BROKER = "python stack.py up --services kafka"
START_JOB = "python spark_job.py"
START_MONGODB = "python stack.py up --services mongo"


@dataclass(frozen=True)
class Part:
    """A part's state, what is said of it, what to do about it, and the command that does it ("" for none)."""

    name: str
    state: State
    what: str
    todo: str = ""
    command: str = ""


def producer(progress: Progress, now: datetime) -> Part:
    """The producers, as the messages tell that the readings query found."""
    batches = progress.get("readings", ())
    if not _is_heard(batches, now) or _waits_for(batches):
        return Part(PRODUCER, "unknown", "Not known while the readings query does not read.")
    reports = [one for one in batches if one.get("rows") is not None]
    # A long batch tells nothing until it ends: silence counts only where empty batches are reported.
    if not reports or _age(reports[0], now) > QUIET_SECONDS:
        return Part(PRODUCER, "unknown", "Not known before the readings query has done its batch.")
    last = next((one for one in reports if one["rows"]), None)
    quiet = _age(last or reports[-1], now)
    if quiet > QUIET_SECONDS:
        since = span(quiet) if last else f"more than {span(quiet)}"
        return Part(
            PRODUCER, "bad", f"No message has come for {since}.", "Start one, or see what ended it.", START_PRODUCER
        )
    rate = (last or {}).get("input_rows_per_second")
    return Part(PRODUCER, "good", f"{rate:,.0f} messages a second." if rate else "Messages come now and then.")


def broker(progress: Progress, now: datetime) -> Part:
    """Kafka, as the job sees it."""
    waited_for = [_waits_for(batches) for batches in progress.values() if _is_heard(batches, now)]
    if "Kafka" in waited_for:
        return Part(
            BROKER, "bad", "The Spark job waits for it; nothing is lost.", "Start it, or see its log.", START_BROKER
        )
    if None not in waited_for:
        return Part(BROKER, "unknown", "Only the Spark job sees it, and none is at work.")
    return Part(BROKER, "good", "It answers the Spark job.")


def query(name: str, progress: Progress, now: datetime) -> Part:
    """One of the streaming queries."""
    batches = progress.get(name, ())
    if not batches:
        return Part(name, "unknown", "Not heard of yet.", "Start the Spark job.", START_JOB)
    age = _age(batches[0], now)
    if age > HEARD_SECONDS:
        todo = "See the Spark job's log; it goes on where it was."
        return Part(name, "bad", f"Not heard of for {span(age)}.", todo, START_JOB)
    server = _waits_for(batches)
    if server:
        return Part(name, "bad", f"It waits for {server}.", "It goes on by itself when that answers.")
    if batches[0].get("mode") == "real-time":
        return Part(name, "good", "At work in real time.")
    return _pace(name, [one for one in batches if one.get("rows") is not None])


def _pace(name: str, batches: Sequence[Record]) -> Part:
    if not batches:
        return Part(name, "good", "At work on its first batch.")
    lag, rate = batches[0].get("lag") or 0, batches[0].get("input_rows_per_second") or 0
    trigger = batches[0].get("trigger_seconds") or 0
    if lag > BACKLOG_MESSAGES and lag > max(BACKLOG_SECONDS, BACKLOG_TRIGGERS * trigger) * rate:
        if len(batches) == 1:
            return Part(name, "warn", f"{lag:,} messages behind.", "It has only begun: wait a moment.")
        before = batches[min(len(batches), BATCHES) - 1].get("lag") or 0
        how = f"{lag:,} messages behind, "
        if lag < before:
            return Part(name, "warn", how + "and catching up.", "Nothing to do but wait.")
        todo = "Give the job more cores, or the topic more partitions; see also --max-offsets-per-trigger."
        return Part(name, "bad", how + "and not catching up.", todo)
    worked = [one["batch_seconds"] for one in batches[:BATCHES] if one.get("rows") and one.get("batch_seconds")]
    if trigger and len(worked) >= BATCHES / 2 and statistics.median(worked) > SLOW_TRIGGERS * trigger:
        said = f"Batches take {statistics.median(worked):.1f} s, and one is due every {trigger:g} s."
        return Part(name, "warn", said, "Readings come later for it: give the job more cores, or a longer --trigger.")
    return Part(name, "good", "It keeps up.")


def mongodb(progress: Progress, now: datetime, disk: tuple[int, int] | None) -> Part:
    """The database that this page reads: it answers, or this would not be asked; `disk` is used and total bytes."""
    if any(_is_heard(batches, now) and _waits_for(batches) == "MongoDB" for batches in progress.values()):
        return Part(
            MONGODB, "bad", "It answers this page, and the Spark job waits for it.", "See the job's log for the reason."
        )
    if disk and disk[1]:
        full = disk[0] / disk[1]
        said = f"Its disk is {100 * full:.0f} % full"
        if full >= DISK_FILLS:
            todo = "Make room, or keep readings for a shorter time (days)."
            state: State = "bad" if full >= DISK_FULL else "warn"
            return Part(MONGODB, state, f"{said}.", todo, "python spark_job.py --readings-retention 3")
        return Part(MONGODB, "good", f"It answers. {said}.")
    return Part(MONGODB, "good", "It answers.")


def parts(names: Sequence[str], progress: Progress, now: datetime, disk: tuple[int, int] | None = None) -> list[Part]:
    """All parts in the order in which a reading meets them; `names` are the queries."""
    queries: list[Part] = []
    for name in names:
        part = query(name, progress, now)
        twin = next((one for one in queries if _is_one_query(progress.get(one.name), progress.get(name))), None)
        if twin and part.todo and (part.what, part.todo) == (twin.what, twin.todo):
            part = replace(part, what=f"The same query as {twin.name}.", todo="", command="")
        queries.append(part)
    return [producer(progress, now), broker(progress, now), *queries, mongodb(progress, now, disk)]


def span(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def _age(batch: Record, now: datetime) -> float:
    return float((now - batch["at"]).total_seconds())


def _is_heard(batches: Sequence[Record], now: datetime) -> bool:
    return bool(batches) and _age(batches[0], now) <= HEARD_SECONDS


def _is_one_query(these: Sequence[Record] | None, those: Sequence[Record] | None) -> bool:
    """Whether two kinds of work are done in the same batches."""
    first, second = (next((one for one in batches or () if "batch_id" in one), None) for batches in (these, those))
    if not first or not second:
        return False
    return (first["at"], first["batch_id"]) == (second["at"], second["batch_id"])


def _waits_for(batches: Sequence[Record]) -> str | None:
    """The server that a query waits for; None when it waits for none."""
    newest = batches[0]
    if newest.get("waits_for"):
        return str(newest["waits_for"])
    return "a server" if newest.get("state") == "waiting" else None

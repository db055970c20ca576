"""How mongod did what it was asked: by which index, or by reading a whole collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion

from pipeline.store import Store

# The bounds of an index may be instants that Python has not.
LENIENT: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


def plans(explanation: Any) -> Iterator[dict[str, Any]]:
    """Every part of an explanation."""
    if isinstance(explanation, dict):
        yield explanation
        for value in explanation.values():
            yield from plans(value)
    elif isinstance(explanation, list):
        for value in explanation:
            yield from plans(value)


def profiled(target: Store, work: Callable[[], Any]) -> list[dict[str, Any]]:
    """What was asked of the database while `work` was at it, but for inserts, as the profiler notes it."""
    database = target.open()
    database.command("profile", 2)
    work()
    database.command("profile", 0)
    found = database["system.profile"].find()
    return [one for one in found if one["op"] != "insert" and "profile" not in one["command"]]


def require_indexes(target: Store, done: list[dict[str, Any]]) -> None:
    """Fail where a collection was read as a whole, or sorted."""
    for one in done:
        assert "COLLSCAN" not in one.get("planSummary", ""), one
        assert not one.get("hasSortStage"), one
        if one["op"] in {"query", "command"}:
            left_out = {"lsid", "$db", "maxTimeMS"}
            command = {name: value for name, value in one["command"].items() if name not in left_out}
            explained = target.open().command("explain", command, verbosity="executionStats", codec_options=LENIENT)
            for part in plans(explained):
                assert part.get("stage") not in {"COLLSCAN", "SORT"}, part
                assert int(part.get("collectionScans", 0)) == 0, part

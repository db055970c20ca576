"""The list of all sensors and the search in it, answered by indexes however many there are.

Call these within a deadline (`store_dashboard.within`). They raise StoreUnavailable when the server does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pipeline.rules import SILENT
from pipeline.store import Store
from pipeline.store_dashboard import Choices, Selection
from pipeline.store_faults import translated

Document = dict[str, Any]
Stages = list[Mapping[str, Any]]
Shown = Literal["all", "silent", "alarms"]

FIELDS = ("timestamp", "sensor_type", "location", "value", "unit", "metadata")
# The greatest code point that a string in MongoDB can hold: behind every text that begins with what stands before it.
_LAST = "\U0010ffff"
_NUMBERED = re.compile(r"(.*?)([0-9]+)\Z")


def named(selection: Selection, known: Choices) -> Selection:
    """The same choice with both kinds named, for an index gives an order only then; all alone stays as it is."""
    if selection == Selection():
        return selection
    # What has no location is at None.
    return Selection(selection.types or known.types, selection.locations or (*known.locations, None))


def by_name(store: Store, selection: Selection, clear_after: float, skip: int, limit: int) -> list[Document]:
    """Sensors by their names: a page of those that `selection`, which must be named, chooses.

    Each is its last reading with `open`, the number of its alarms that are active and not acknowledged, and `worst`,
    the highest priority of these (None: there are none).
    """
    hint = "_id_" if selection == Selection() else "sensor_type_1_location_1__id_1"
    return _page(store, selection.matching(), {"_id": 1}, hint, clear_after, slice(skip, skip + limit))


def longest_silent(
    store: Store, selection: Selection, silent_since: datetime, clear_after: float, skip: int, limit: int
) -> list[Document]:
    """The sensors that have sent nothing since an instant, the longest silent first; as `by_name` gives them."""
    hint = "timestamp_-1" if selection == Selection() else "sensor_type_1_location_1_timestamp_-1"
    chosen = {**selection.matching(), "timestamp": {"$lt": silent_since}}
    return _page(store, chosen, {"timestamp": 1}, hint, clear_after, slice(skip, skip + limit))


def of_names(store: Store, names: Sequence[str], clear_after: float) -> list[Document]:
    """The sensors of those names, in their order, as `by_name` gives them; unknown ones are left out."""
    found = _page(store, {"_id": {"$in": list(names)}}, {"_id": 1}, "_id_", clear_after, slice(0, max(1, len(names))))
    by_name = {one["_id"]: one for one in found}
    return [by_name[name] for name in names if name in by_name]


def search(store: Store, text: str, limit: int) -> list[Document]:
    """The sensors whose names begin with a text, by their names: `_id` and FIELDS.

    Digits alone stand for a number at the end of the names, judged by the first and the last of all: 42 finds
    sensor_0042, then sensor_42 and what begins so. Where nothing begins with the text, small letters are tried.
    """
    sensors = store.collection("sensors")
    wanted = dict.fromkeys(FIELDS, 1)

    def beginning(prefix: str) -> list[Document]:
        chosen = {"_id": {"$gte": prefix, "$lt": prefix + _LAST}}
        return list(sensors.find(chosen, wanted, sort={"_id": 1}, limit=limit))

    with translated(store.address):
        found = beginning(text)
        if text.isascii() and text.isdigit():
            exact, prefixes = _numbered(store, text)
            begun = [one for prefix in prefixes for one in beginning(prefix)]
            found = [*sensors.find({"_id": {"$in": exact}}, wanted), *begun, *found]
        elif not found and text != text.lower():
            found = beginning(text.lower())
    return list({one["_id"]: one for one in found}.values())[:limit]


def _numbered(store: Store, digits: str) -> tuple[list[str], list[str]]:
    """The names that a number may stand for, and how they begin, by the first and the last name of all."""
    ends = [store.collection("sensors").find_one({}, {"_id": 1}, sort={"_id": order}) for order in (1, -1)]
    found = [match.groups() for one in ends if one and (match := _NUMBERED.match(one["_id"]))]
    return [stem + digits.zfill(len(number)) for stem, number in found], list(
        {stem + digits: None for stem, _ in found}
    )


def _page(
    store: Store, chosen: Document, order: Mapping[str, int], index: str, clear_after: float, rows: slice
) -> list[Document]:
    gap = {"$cond": [{"$eq": ["$alert_type", SILENT]}, 0, round(1000 * clear_after)]}
    is_active = {"$lte": [{"$subtract": ["$$heard", "$last.at"]}, gap]}
    may_be_active = {"$gte": ["$last.at", {"$subtract": ["$$heard", round(1000 * clear_after)]}]}
    its_alarms: Stages = [
        {"$match": {"$expr": {"$and": [{"$eq": ["$sensor_id", "$$sensor"]}, may_be_active, is_active]}}},
        {"$match": {"acknowledged": None}},
        {"$group": {"_id": None, "open": {"$sum": 1}, "worst": {"$max": "$worst_priority"}}},
    ]
    variables = {"sensor": "$_id", "heard": "$timestamp"}
    stages: Stages = [
        {"$match": chosen},
        {"$sort": order},
        {"$skip": rows.start},
        {"$limit": rows.stop - rows.start},
        {"$project": dict.fromkeys(FIELDS, 1)},
        {"$lookup": {"from": "alarms", "let": variables, "pipeline": its_alarms, "as": "alarms"}},
        {
            "$set": {
                "open": {"$ifNull": [{"$first": "$alarms.open"}, 0]},
                "worst": {"$ifNull": [{"$first": "$alarms.worst"}, None]},
            }
        },
        {"$unset": ["alarms"]},
    ]
    with translated(store.address):
        return list(store.collection("sensors").aggregate(stages, hint=index))

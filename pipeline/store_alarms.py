"""Alerts and the alarms that they make: what operators work with.

An alarm is an episode of a sensor and a rule (see episodes.py). The alarms that are stored depend on the alerts alone,
not on their order: a late alert may move an alarm's beginning, or join two alarms. Its `_id` names its first instant,
so such a change writes the alarm that is right now and then removes what it took in. A crash between the two leaves
alarms that overlap, which the repeated write joins.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pymongo import DeleteOne

from pipeline import episodes, store_bulk, store_documents, store_ids
from pipeline.episodes import Episode
from pipeline.store import Store
from pipeline.store_bulk import Written
from pipeline.store_documents import PRIORITIES, Record
from pipeline.store_faults import StoreError, translated
from pipeline.store_writes import USUAL, Inserter, Manner, batches

log = logging.getLogger(__name__)

Document = dict[str, Any]
Key = tuple[str, str]

CLEAR_AFTER_SECONDS = 60.0
# Sensors in one question for their alarms.
_SENSORS = 500
_KEYS_HELD = 10_000
# Others may change the same alarms meanwhile, but not for ever.
_PASSES = 20
_ACKNOWLEDGE_ATTEMPTS = 3
# What is stored of an alarm and what is new, put together, as store_bulk.merge takes it: another may have changed it.
_BOTH: Document = {
    "$mergeObjects": [
        "$$ROOT",
        "$$new",
        {
            "last": {
                "$cond": [
                    {
                        "$gt": [
                            ["$$new.last.at", "$$new.last.alert_id"],
                            ["$$ROOT.last.at", "$$ROOT.last.alert_id"],
                        ]
                    },
                    "$$new.last",
                    "$$ROOT.last",
                ]
            },
            "worst_priority": {"$max": ["$$ROOT.worst_priority", "$$new.worst_priority"]},
            # What a person noted stays.
            "acknowledged": {"$ifNull": ["$$ROOT.acknowledged", "$$new.acknowledged"]},
        },
    ]
}
_LAST_FIELDS = ("value", "threshold", "priority", "sensor_type", "location", "unit", "message")


@dataclass(frozen=True)
class Acknowledged:
    """What became of alarms that were to be acknowledged.

    `done`: how many are by this; `before`: how many had been, by who had; `gone`: how many there are no more.
    """

    done: int
    before: Mapping[str, int]
    gone: int


@dataclass(frozen=True)
class _Change:
    """An alarm as it shall be, whether there is one of its beginning already, and the stored ones that it takes in."""

    key: Key
    episode: Episode
    known: bool
    taken_in: list[Document]

    @property
    def identity(self) -> str:
        return store_ids.alarm_id(*self.key, self.episode.first)


@dataclass
class AlertsWriter:
    """Inserts alerts part by part, and at the end merges them into the alarms.

    A record has the fields of an alert. Alerts of a sensor and a rule with at most `clear_after` seconds between them
    are one alarm. What a person noted on an alarm is never overwritten. Memory grows with a part, and with 10,000
    sensors' rules and their episodes at most.
    """

    store: Store
    clear_after: float = CLEAR_AFTER_SECONDS
    manner: Manner = USUAL
    _found: dict[Key, list[Episode]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._gap = timedelta(seconds=self.clear_after)
        self._inserter = Inserter(self.store, "anomaly_alerts", store_documents.alert, self.manner)

    def insert(self, records: Sequence[Record]) -> Written:
        """Insert alerts that are not there yet, in one go."""
        alerts, written = self._inserter.insert(records)
        # Those that were known count as well: the last time may have ended before their alarms were written.
        for key, those in _by_key(alerts).items():
            self._found[key] = episodes.merge([*self._found.get(key, ()), *those], self._gap)
        if len(self._found) > _KEYS_HELD:
            self.finish()
        return written

    def finish(self) -> None:
        """Merge the alerts that were inserted into the alarms."""
        found, self._found = self._found, {}
        _merge_into_alarms(self.store, found, self._gap, self.manner)


def write_alerts(
    store: Store, records: Iterable[Record], clear_after: float = CLEAR_AFTER_SECONDS, manner: Manner = USUAL
) -> Written:
    """Insert alerts that are not there yet (see AlertsWriter) in parts, and merge them into the alarms."""
    writer, written = AlertsWriter(store, clear_after, manner), Written()
    for part in batches(records, manner.batch):
        written.add(writer.insert(part))
    writer.finish()
    return written


def acknowledge(store: Store, alarms: Sequence[str], by: str, at: datetime, note: str = "") -> Acknowledged:
    """Note who has seen alarms, given by their `_id`; what was noted before stays as it is.

    One that another alarm has taken in meanwhile stands for that one.
    """
    noted = {"at": store_documents.instant(at), "by": by, **({"note": note} if note else {})}
    collection = store.collection("alarms")
    left, before, done, gone = set(alarms), Counter[str](), 0, 0
    for _ in range(_ACKNOWLEDGE_ATTEMPTS):
        these = {"_id": {"$in": list(left)}}
        with translated(store.address):
            # The condition is judged for each alarm as it is written: of two people at once the first one stays.
            collection.update_many({**these, "acknowledged": {"$exists": False}}, {"$set": {"acknowledged": noted}})
            found = {
                one["_id"]: one["acknowledged"]
                for one in collection.find(these, {"acknowledged": 1})
                if "acknowledged" in one
            }
            missing = {one: current_identity(store, one) for one in left - found.keys()}
        ours = [one for one in found.values() if one == noted]
        done += len(ours)
        before.update(one["by"] for one in found.values() if one != noted)
        gone += sum(current is None for current in missing.values())
        left = {current for current in missing.values() if current is not None}
        if not left:
            break
    return Acknowledged(done, dict(before), gone + len(left))


def current_identity(store: Store, alarm: str) -> str | None:
    """The alarm of that `_id`, or the one that has taken it in; None where there is neither."""
    try:
        sensor_id, alert_type, instant = store_ids.alarm_parts(alarm)
    except ValueError:
        return None
    spanning = {"sensor_id": {"$eq": sensor_id}, "alert_type": {"$eq": alert_type}, "last.at": {"$gte": instant}}
    found = store.collection("alarms").find_one(
        {**spanning, "first_seen": {"$lte": instant}},
        {"_id": 1},
        sort={"last.at": 1},
        # There is one on first_seen as well, which would find them in another order.
        hint="sensor_id_1_alert_type_1_last.at_-1",
    )
    return str(found["_id"]) if found else None


def _by_key(alerts: Iterable[Document]) -> dict[Key, list[Episode]]:
    found: dict[Key, list[Episode]] = defaultdict(list)
    for alert in alerts:
        found[alert["sensor_id"], alert["alert_type"]].append(_episode_of_alert(alert))
    return found


def _merge_into_alarms(store: Store, new: Mapping[Key, list[Episode]], clear_after: timedelta, manner: Manner) -> None:
    """Change the alarms until they say what the new episodes say; they are looked at again after every change."""
    pending = dict(new)
    for _ in range(_PASSES):
        if not pending:
            return
        with translated(store.address):
            stored = manner.patience.run(partial(_stored_near, store, pending, clear_after))
            changes = [one for key, new in pending.items() for one in _changes(key, new, stored[key], clear_after)]
            hopeless = _apply(store, changes, manner)
        pending = {one.key: pending[one.key] for one in changes if one.key not in hopeless}
    sensor_id, alert_type = next(iter(pending))
    raise StoreError(
        f"the alarms of {sensor_id}, {alert_type}, do not stay as they shall be; end what else writes them"
    )


def _episode_of_alert(alert: Mapping[str, Any]) -> Episode:
    details = {name: alert[name] for name in _LAST_FIELDS if name in alert}
    last = {"at": alert["timestamp"], "alert_id": alert["_id"], **details}
    return Episode(alert["timestamp"], last, PRIORITIES[alert["priority"]])


def _episode_of_alarm(alarm: Mapping[str, Any]) -> Episode:
    return Episode(alarm["first_seen"], alarm["last"], alarm["worst_priority"])


def _stored_near(
    store: Store, pending: Mapping[Key, list[Episode]], clear_after: timedelta
) -> dict[Key, list[Document]]:
    """The stored alarms of each key; among them all that the episodes may join."""
    by_rule: dict[str, list[Key]] = defaultdict(list)
    for key in pending:
        by_rule[key[1]].append(key)
    found: dict[Key, list[Document]] = defaultdict(list)
    for rule, keys in by_rule.items():
        for part in batches(keys, _SENSORS):
            first = min(pending[key][0].first for key in part)
            last = max(pending[key][-1].last["at"] for key in part)
            near = {"last.at": {"$gte": first - clear_after}, "first_seen": {"$lte": last + clear_after}}
            sensors = {"$in": [sensor for sensor, _ in part]}
            for alarm in store.collection("alarms").find({"sensor_id": sensors, "alert_type": rule, **near}):
                found[alarm["sensor_id"], rule].append(alarm)
    return found


def _changes(key: Key, new: list[Episode], stored: list[Document], clear_after: timedelta) -> list[_Change]:
    """What must be written so that the stored alarms of a key say what the new episodes say as well."""
    changes = []
    for episode in episodes.merge([*new, *map(_episode_of_alarm, stored)], clear_after):
        members = [one for one in stored if episode.first <= one["first_seen"] <= episode.last["at"]]
        if len(members) != 1 or _episode_of_alarm(members[0]).extent != episode.extent:
            taken_in = [one for one in members if one["first_seen"] != episode.first]
            changes.append(_Change(key, episode, len(taken_in) < len(members), taken_in))
    return changes


def _apply(store: Store, changes: list[_Change], manner: Manner) -> set[Key]:
    """Write the alarms, then remove what they took in; returns the keys whose alarm cannot be stored."""
    collection = store.collection("alarms")
    now = manner.now()
    hopeless: set[Key] = set()
    for part in batches(changes, manner.batch):
        for known in (True, False):
            those = [one for one in part if one.known is known]
            alarms = [_alarm(one, now) for one in those]
            reasons = store_bulk.merge(collection, alarms, _BOTH, manner.patience, together=known)
            for position, reason in reasons.items():
                log.warning("the alarm %s is not kept: %s", those[position].identity, reason)
                hopeless.add(those[position].key)
        removals = [_removal(alarm) for one in part if one.key not in hopeless for alarm in one.taken_in]
        store_bulk.change(collection, removals, manner.patience)
    return hopeless


def _alarm(change: _Change, now: datetime) -> Document:
    """The document of an alarm as far as its episode and what it takes in tell it."""
    noted = [one["acknowledged"] for one in sorted(change.taken_in, key=_first_seen) if "acknowledged" in one]
    return {
        "_id": change.identity,
        "sensor_id": change.key[0],
        "alert_type": change.key[1],
        "first_seen": change.episode.first,
        "last": change.episode.last,
        "stored_at": now,
        "worst_priority": change.episode.worst,
        **({"acknowledged": noted[0]} if noted else {}),
    }


def _removal(alarm: Mapping[str, Any]) -> DeleteOne:
    """Remove an alarm unless it was changed meanwhile, by a person or by another alert."""
    unchanged = {name: alarm[name] for name in ("_id", "last", "worst_priority")}
    return DeleteOne({**unchanged, "acknowledged": alarm.get("acknowledged", {"$exists": False})})


def _first_seen(alarm: Mapping[str, Any]) -> datetime:
    instant: datetime = alarm["first_seen"]
    return instant

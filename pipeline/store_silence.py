"""Sensors that send nothing: an alert of the rule `silent` for each, which makes an alarm as any other alert does.

Silence is told by who listens: the job that stores the readings. Nobody is silent whose readings may still lie on the
topic, or could not come because Kafka, MongoDB or the job were away.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline import store_alarms, store_ids
from pipeline.rules import SILENT, UNKNOWN_LOCATION
from pipeline.store import Store
from pipeline.store_faults import Patience, StoreError, StoreUnavailable, translated
from pipeline.store_writes import Manner

log = logging.getLogger(__name__)

Document = dict[str, Any]

PRIORITY = "high"
# Between two looks at the sensors.
LOOK_SECONDS = 10.0
# Not having read the topic for so long is not listening: what came meanwhile may still be on its way.
DEAF_SECONDS = 60.0
# A sensor that was last heard of before that has been taken away.
FORGOTTEN = timedelta(days=7)
# More wait for the next look: the job has other work.
_AT_ONCE = 2000
_ONCE = Manner(patience=Patience(attempts=1))


class SilenceWatch:
    """Raises an alert for each sensor that nothing was heard of for `limit` seconds of listening.

    `clear_after` is that of the alarms. A sensor's alert is that of its last reading, so it is the same however often
    it is raised, and by whom.
    """

    def __init__(self, store: Store, limit: float, clear_after: float, manner: Manner = _ONCE) -> None:
        self._store, self._limit, self._clear_after, self._manner = store, timedelta(seconds=limit), clear_after, manner
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._looked: datetime | None = None
        # The reading after which each sensor is known to be silent.
        self._told: dict[str, bytes] = {}

    def hear(self, at: datetime, left: int) -> None:
        """Say how far the topic is read: what it held at the instant `at` is stored but for `left` messages.

        Raises nothing when MongoDB is away: the next call looks again.
        """
        if left:
            self._since = None
            return
        is_deaf = self._until is None or at - self._until > timedelta(seconds=DEAF_SECONDS)
        if self._since is None or is_deaf:
            self._since = at
        self._until = at
        is_due = self._looked is None or at - self._looked >= timedelta(seconds=LOOK_SECONDS)
        if is_due and at - self._since >= self._limit:
            self._looked = at
            try:
                self._look(at)
            except StoreUnavailable as error:
                log.debug("silent sensors are looked for later: %s", error)
            except StoreError as error:
                log.warning("silent sensors: %s", error)

    def _look(self, at: datetime) -> None:
        silent = self._silent(at)
        new = [one for one in silent if self._told.get(one["_id"]) != one["event_id"]][:_AT_ONCE]
        if not new:
            return
        alerts = [self._alert(one, at) for one in new]
        written = store_alarms.write_alerts(self._store, alerts, self._clear_after, self._manner)
        for refused in written.refused:
            log.warning("the alarm of a silent sensor is not kept: %s", refused.reason)
        if written.stored:
            log.warning("silent sensors: nothing was heard of %d for %g s", written.stored, self._limit.total_seconds())
        there = {one["_id"] for one in silent}
        kept = {name: reading for name, reading in self._told.items() if name in there}
        self._told = kept | {one["_id"]: one["event_id"] for one in new}

    def _silent(self, at: datetime) -> list[Document]:
        """The last readings of the sensors of which nothing was stored within the limit before `at`."""
        spread = {"$gte": at - FORGOTTEN, "$lt": at - self._limit}
        with translated(self._store.address):
            # Not by the readings' timestamps: a sensor whose clock is wrong is not silent.
            return list(self._store.collection("sensors").find({"stored_at": spread}, hint="stored_at_1"))

    def _alert(self, last: Mapping[str, Any], at: datetime) -> Document:
        about = {name: last[name] for name in ("sensor_type", "location", "value", "unit") if name in last}
        place = last.get("location", UNKNOWN_LOCATION)
        return {
            **about,
            "alert_id": f"{SILENT}-{store_ids.event_id(last['event_id'])}",
            "alert_type": SILENT,
            "priority": PRIORITY,
            "sensor_id": last["_id"],
            "message": f"{last['_id']} at {place} has sent nothing for {self._limit.total_seconds():g} s",
            "timestamp": last["timestamp"],
            "detected_at": at,
        }

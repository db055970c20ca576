"""The list of sensors, a page at a time, and the search in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline import store_alarm_list, store_dashboard, store_ids, store_sensor_list
from pipeline.sensor_facts import last_reading
from pipeline.snapshots import Sources
from pipeline.store import Store
from pipeline.store_alarm_list import Narrowing
from pipeline.store_dashboard import Selection
from pipeline.store_documents import PRIORITIES
from pipeline.view import View

Document = dict[str, Any]

ROWS = 50
FOUND_LIMIT = 20
_NAMES = {number: name for name, number in PRIORITIES.items()}


class SensorList:
    """Makes the list for a view."""

    def __init__(self, sources: Sources) -> None:
        self._store, self._rules = sources.store, sources.rules

    def make(self, view: View, now: datetime) -> Document:
        """A page of the list: `rows`, which `page` it is of how many (`pages`), and how many sensors it has (`total`).

        `silent` counts those that are. A page beyond the end is the last one. Raises StoreError.
        """
        store, clear_after = self._store, self._rules.clear_after
        silent_since = now - timedelta(seconds=self._rules.alive_within)
        chosen = Selection(view.types, view.locations)
        sensors = store_dashboard.sensors(store, chosen, silent_since)
        # All and those that are alive are counted one after the other.
        silent = max(0, sensors.known - sensors.alive)
        alarmed = self._alarmed(chosen) if view.listed == "alarms" else []
        total = {"all": sensors.known, "silent": silent, "alarms": len(alarmed)}[view.listed]
        pages = max(1, -(-total // ROWS))
        page = min(view.page, pages)
        skip = ROWS * (page - 1)
        if view.listed == "alarms":
            found = store_sensor_list.of_names(store, alarmed[skip : skip + ROWS], clear_after)
        else:
            named = store_sensor_list.named(chosen, store_dashboard.choices(store))
            if view.listed == "silent":
                found = store_sensor_list.longest_silent(store, named, silent_since, clear_after, skip, ROWS)
            else:
                found = store_sensor_list.by_name(store, named, clear_after, skip, ROWS)
        return {
            "rows": [_row(one) for one in found],
            "page": page,
            "pages": pages,
            "total": total,
            "first": skip + 1 if found else 0,
            "silent": silent,
            "alive_within": self._rules.alive_within,
        }

    def _alarmed(self, chosen: Selection) -> list[str]:
        """The sensors with open alarms, the worst first, and those with the newest alarms first among them."""
        active = store_alarm_list.active(self._store, Narrowing(chosen), self._rules.clear_after)
        # It comes newest first, and sorting leaves equal ones as they are.
        worst_first = sorted(
            (one for one in active if "acknowledged" not in one), key=lambda one: -one["worst_priority"]
        )
        return list(dict.fromkeys(store_ids.alarm_parts(one["_id"])[0] for one in worst_first))


def search(store: Store, text: str) -> list[Document]:
    """The sensors that a text finds, at most FOUND_LIMIT: sensor, type, location, value, unit and last."""
    return [{"sensor": one["_id"], **last_reading(one)} for one in store_sensor_list.search(store, text, FOUND_LIMIT)]


def _row(sensor: Mapping[str, Any]) -> Document:
    return {
        "sensor": sensor["_id"],
        **last_reading(sensor),
        "open": sensor["open"],
        "worst": _NAMES.get(sensor["worst"]) if sensor["worst"] else None,
    }

"""What the page of alarms draws, and which alarms the panel of another page lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline import store_alarm_list
from pipeline.alarm_lists import AlarmLists, Wanted
from pipeline.snapshots import Sources
from pipeline.store_alarm_list import Narrowing
from pipeline.store_dashboard import Selection
from pipeline.view import RANGES, View

Document = dict[str, Any]

# Most rows of the panel of another page.
PANEL_LIMIT = 200
_NOTED = {"no": False, "yes": True, "any": None}
# Of the view, what the page draws from.
FIELDS = (
    *("types", "locations", "range", "since", "until", "sensor"),
    *("state", "acknowledged", "priorities", "rules", "sort", "alarm"),
)


class AlarmSnapshots:
    """What the page of alarms draws: the list, the rules that there are, and the alarm that is open (or None)."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lists = AlarmLists(sources)

    def make(self, view: View) -> Document:
        """The document for a view; raises StoreError."""
        since, until = view.span(self._sources.now())
        is_live = view.until is None
        wanted = Wanted(
            Narrowing(Selection(view.types, view.locations), view.priorities, view.rules, view.sensor),
            since,
            until,
            live=is_live,
            state=view.state,
            acknowledged=_NOTED[view.acknowledged],
            sort=view.sort,
        )
        span = f"the last {RANGES[view.range].label}" if is_live else "the time above"
        return {
            "alarms": {**self._lists.listed(wanted), "span": span},
            "rules": store_alarm_list.rules(self._sources.store),
            "detail": self._lists.detail(view.alarm) if view.alarm else None,
        }


def of_panel(view: View, since: datetime, until: datetime) -> Wanted:
    """What the panel of another page lists: the open alarms, or all, the newest first."""
    is_open = view.alarms == "open"
    return Wanted(
        Narrowing(Selection(view.types, view.locations)),
        since,
        until,
        live=view.until is None,
        state="active" if is_open else "any",
        acknowledged=False if is_open else None,
        sort="-first",
        limit=PANEL_LIMIT,
        counts_cleared=False,
        by_place=True,
    )

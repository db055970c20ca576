"""Requests as the page sends them."""

from __future__ import annotations

from typing import Any

UPDATE = "/_dash-update-component"


def tick(view: Any, count: Any = 1, viewer: Any = "0123456789abcdef") -> dict[str, Any]:
    """The body of a tick, as the page sends it."""
    output = "..snapshot.data...link.data.."
    return {
        "output": output,
        "outputs": [{"id": "snapshot", "property": "data"}, {"id": "link", "property": "data"}],
        "inputs": [
            {"id": "tick", "property": "n_intervals", "value": count},
            {"id": "view", "property": "data", "value": view},
            {"id": "changed", "property": "data", "value": None},
        ],
        "changedPropIds": ["tick.n_intervals"],
        "parsedChangedPropsIds": ["tick.n_intervals"],
        "state": [{"id": "viewer", "property": "data", "value": viewer}],
    }


def acknowledgement(rows: Any, name: Any, note: Any) -> dict[str, Any]:
    outputs = [("notices", "sendNotifications"), ("changed", "data"), ("note", "value"), ("alarms", "selectedRows")]
    return {
        "output": ".." + "...".join(".".join(one) for one in outputs) + "..",
        "outputs": [{"id": identity, "property": prop} for identity, prop in outputs],
        "inputs": [{"id": "acknowledge", "property": "n_clicks", "value": 1}],
        "changedPropIds": ["acknowledge.n_clicks"],
        "state": [
            {"id": "alarms", "property": "selectedRows", "value": rows},
            {"id": "name", "property": "value", "value": name},
            {"id": "note", "property": "value", "value": note},
        ],
    }

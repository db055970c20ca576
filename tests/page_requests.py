"""Requests as the page sends them."""

from __future__ import annotations

from typing import Any

from pipeline.pages import frame, overview
from pipeline.view import View

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


def following(before: View, change: Any, cause: str = "change.data", **controls: Any) -> dict[str, Any]:
    """The body of a change of the view: of the store "change", or of a control that is named with its new value."""
    shown = before.as_json()
    places: list[tuple[str, str, Any]] = [
        (one.identity, one.prop, controls.get(one.identity, one.shown(shown[one.field])))
        for one in (*frame.CONTROLS, *overview.PAGE.controls)
    ]
    stores = [("view", "data"), ("common", "data"), ("url", "search")]
    outputs = stores + [(identity, prop) for identity, prop, _ in places]
    inputs = [("url", "search", ""), ("change", "data", change), *places]
    return {
        "output": ".." + "...".join(".".join(one) for one in outputs) + "..",
        "outputs": [{"id": identity, "property": prop} for identity, prop in outputs],
        "inputs": [{"id": identity, "property": prop, "value": value} for identity, prop, value in inputs],
        "changedPropIds": [cause],
        "state": [{"id": "view", "property": "data", "value": shown}],
    }


def acknowledgement(ids: Any, by: Any, note: Any) -> dict[str, Any]:
    """The body of an acknowledgement, as the page sends it."""
    outputs = [("notices", "sendNotifications"), ("changed", "data"), ("note", "value"), ("alarms", "selectedRows")]
    return {
        "output": ".." + "...".join(".".join(one) for one in outputs) + "..",
        "outputs": [{"id": identity, "property": prop} for identity, prop in outputs],
        "inputs": [
            {"id": "acknowledging", "property": "data", "value": {"ids": ids, "by": by, "note": note, "number": 1}}
        ],
        "changedPropIds": ["acknowledging.data"],
        "state": [],
    }

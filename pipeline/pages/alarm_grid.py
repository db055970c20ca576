"""The grid of alarms and their acknowledgement, for every page that lists alarms, and the callbacks that belong to it.

A page's snapshot has the rows in `alarms`, as `alarm_lists` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from flask import abort

from pipeline import store_alarms, store_dashboard
from pipeline.alarm_lists import ROWS_LIMIT
from pipeline.pages.page import Context, aria, drawing
from pipeline.snapshots import DEADLINE_SECONDS
from pipeline.store_alarms import Acknowledged
from pipeline.store_faults import StoreError
from pipeline.view import ALARMS, View, is_name

NAME_LIMIT, NOTE_LIMIT, ID_LIMIT = 64, 500, 1200
# So many of those who had acknowledged alarms before are named.
NAMES_TOLD = 3


def _by(name: str) -> dict[str, str]:
    return {"function": f"{name}(params)"}


def _column(title: str, width: int, **more: Any) -> dict[str, Any]:
    return {"headerName": title, "width": width, **more}


_RIGHT = {"type": "rightAligned"}
# The rule takes what is left.
COLUMNS = {
    "level": _column("Priority", 112, valueFormatter=_by("priority"), cellClass=_by("priorityClass")),
    "sensor": _column("Sensor", 115),
    "rule": _column("Rule", 200, minWidth=150, flex=1),
    "location": _column("Location", 155),
    "value": _column("Value", 118, valueFormatter=_by("measured"), **_RIGHT),
    "threshold": _column("Limit", 100, valueFormatter=_by("measured"), **_RIGHT),
    "first": _column("First seen", 112, valueFormatter=_by("moment")),
    "last": _column("Last seen", 112, valueFormatter=_by("moment")),
    "lasting": _column("Lasts", 75, valueGetter=_by("lasting"), valueFormatter=_by("span"), sortable=False, **_RIGHT),
    "count": _column("Alerts", 75, valueFormatter=_by("alerts"), **_RIGHT),
    "active": _column("State", 76, valueFormatter=_by("activity"), cellClass=_by("activityClass"), cellDataType=False),
    "acknowledged": _column(
        "Acknowledged",
        125,
        valueFormatter=_by("acknowledged"),
        tooltipField="note",
        minWidth=120,
        comparator={"function": "missingLast"},
    ),
}


# Of the panel on another page.
PANEL_COLUMNS = (
    *("level", "sensor", "rule", "location", "value", "threshold", "first", "last", "count", "active"),
    "acknowledged",
)


def panel(user: str | None) -> list[Component]:
    """The panel of a page that is not about alarms; `user` is who is logged in, if anybody has to be."""
    return [
        html.Div(
            className="row",
            children=[
                html.H2("Alarms", id="alarms-title"),
                dmc.SegmentedControl(
                    id="alarms-shown",
                    size="xs",
                    value=View.alarms,
                    data=[{"value": name, "label": name.capitalize()} for name in ALARMS],
                    **aria(label="Which alarms"),
                ),
                html.P(id="alarms-note", className="note"),
                html.A("All alarms", id="alarms-all", className="more"),
            ],
        ),
        grid(PANEL_COLUMNS),
        *acknowledgement(user),
    ]


def grid(columns: Sequence[str], *, sort: str = "", events: Mapping[str, list[str]] | None = None) -> Component:
    """The grid with some of COLUMNS, in its frame.

    `sort` is the column that it is sorted by, with "-" in front from the greatest on; `events` are AG Grid's, with what
    is called then.
    """
    order = {sort.removeprefix("-"): {"sort": "desc" if sort.startswith("-") else "asc"}}
    made: Component = dag.AgGrid(
        id="alarms",
        columnDefs=[{"field": name, "colId": name, **COLUMNS[name], **order.get(name, {})} for name in columns],
        rowData=None,
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": {"function": "gridTheme(themeQuartz)"},
            "rowSelection": {"mode": "multiRow", "enableClickSelection": False, "selectAll": "all"},
            "animateRows": False,
            # Else a screen reader would read the rows in the order in which they came.
            "ensureDomOrder": True,
            "suppressCellFocus": False,
            "enableCellTextSelection": True,
            "localeText": {"noRowsToShow": "No alarms", "loadingOoo": "Waiting for data"},
            "tooltipShowDelay": 300,
        },
        eventListeners=dict(events or {}),
        className="grid",
        style={"height": None},
    )
    return html.Div(id="alarms-frame", className="grid-frame", children=[made])


def acknowledgement(user: str | None) -> list[Component]:
    """What acknowledges the selected alarms; `user` is who is logged in, if anybody has to be."""
    # Who is logged in acknowledges by that name.
    name: dict[str, Any] = {"persistence": True, "persistence_type": "local", "debounce": False}
    if user:
        name = {"value": user, "readOnly": True}
    return [
        dcc.Store(id="acknowledging"),
        html.Div(
            className="row acknowledge",
            role="group",
            **aria(label="Acknowledge alarms"),
            children=[
                dmc.TextInput(id="name", label="Your name", attributes={"input": {"maxLength": NAME_LIMIT}}, **name),
                dmc.TextInput(
                    id="note",
                    label="Note (optional)",
                    attributes={"input": {"maxLength": NOTE_LIMIT}},
                    className="wide",
                ),
                dmc.Button("Acknowledge", id="acknowledge", disabled=True),
                html.P(id="acknowledge-hint", className="note", role="status"),
            ],
        ),
    ]


def register(app: Dash, context: Context) -> None:
    """Add the callbacks of the panel."""
    register_grid(app, context)
    note = ClientsideFunction("alarms", "note")
    app.clientside_callback(note, Output("alarms-note", "children"), Input("snapshot", "data"), Input("view", "data"))
    more = ClientsideFunction("alarms", "more")
    app.clientside_callback(more, Output("alarms-all", "href"), Input("common", "data"), Input("view", "data"))


def register_grid(app: Dash, context: Context) -> None:
    """Add the callbacks of grid and acknowledgement."""

    @app.callback(
        Output("notices", "sendNotifications"),
        Output("changed", "data"),
        Output("note", "value"),
        Output("alarms", "selectedRows"),
        Input("acknowledging", "data"),
        running=[(Output("acknowledge", "loading"), True, False)],
        prevent_initial_call=True,
    )
    def _acknowledge(given: Any) -> tuple[Any, ...]:
        identities, by, remark = checked(given, context.user())
        try:
            with store_dashboard.within(DEADLINE_SECONDS):
                done = store_alarms.acknowledge(context.store, identities, by, datetime.now(UTC), remark)
        except StoreError as error:
            context.snapshots.forget()
            return [_notice("Not acknowledged", str(error), "red")], no_update, no_update, no_update
        context.snapshots.forget()
        return [_notice(*told(done))], given["number"], "", []

    draw = drawing(app, "alarms")
    draw(
        "rows",
        Output("alarms", "rowData"),
        Output("alarms-frame", "data-ag-theme-mode"),
        Input("snapshot", "data"),
        Input("view", "data"),
    )
    draw(
        "acknowledge",
        Output("acknowledge", "disabled"),
        Output("acknowledge", "children"),
        Output("acknowledge-hint", "children"),
        Input("alarms", "selectedRows"),
        Input("name", "value"),
        Input("snapshot", "data"),
        Input("view", "data"),
    )
    draw(
        "acknowledging",
        Output("acknowledging", "data"),
        Input("acknowledge", "n_clicks"),
        State("alarms", "selectedRows"),
        State("name", "value"),
        State("note", "value"),
        State("snapshot", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )


def checked(given: object, user: str | None) -> tuple[list[str], str, str]:
    """The alarms' ids, who acknowledges them and the note; a request that our page would not send is answered 400.

    `user` is who is logged in: that name counts then, whatever was sent.
    """
    if not isinstance(given, dict) or set(given) != {"ids", "by", "note", "number"} or type(given["number"]) is not int:
        abort(400, "This is no acknowledgement.")
    ids, note = given["ids"], given["note"]
    by = user or given["by"]
    if not isinstance(ids, list) or not 1 <= len(ids) <= ROWS_LIMIT or not all(is_name(one, ID_LIMIT) for one in ids):
        abort(400, "These are no alarms.")
    by, note = (value.strip() if isinstance(value, str) else value for value in (by, note))
    if not is_name(by, NAME_LIMIT) or not (note == "" or is_name(note, NOTE_LIMIT)):
        abort(400, "Give alarms, a name and perhaps a note.")
    return ids, by, note


def told(done: Acknowledged) -> tuple[str, str, str]:
    """Title, message and colour of the notice that tells what became of alarms."""

    def alarms(count: int) -> str:
        return f"{count} {'alarm' if count == 1 else 'alarms'}"

    had = sorted(done.before.items(), key=lambda one: (-one[1], one[0]))
    parts = [
        *([alarms(done.done)] if done.done or not (had or done.gone) else []),
        *(f"{alarms(count)} had been before, by {name}" for name, count in had[:NAMES_TOLD]),
        *([f"{alarms(sum(count for _, count in had[NAMES_TOLD:]))} by others"] if had[NAMES_TOLD:] else []),
        *([f"{alarms(done.gone)} {'is' if done.gone == 1 else 'are'} no longer there"] if done.gone else []),
    ]
    if done.done:
        return "Acknowledged", "; ".join(parts), "green"
    return ("Acknowledged before" if had else "Not acknowledged"), "; ".join(parts), "yellow"


def _notice(title: str, message: str, colour: str) -> dict[str, Any]:
    return {"action": "show", "title": title, "message": message, "color": colour, "autoClose": 6000}

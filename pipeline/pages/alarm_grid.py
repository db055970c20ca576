"""The grid of alarms and their acknowledgement: a panel, and the callbacks that belong to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, html, no_update
from dash.development.base_component import Component
from flask import abort

from pipeline import store_alarms, store_dashboard
from pipeline.overview_snapshots import ROWS_LIMIT
from pipeline.pages.page import Context, aria
from pipeline.snapshots import DEADLINE_SECONDS
from pipeline.store_alarms import Acknowledged
from pipeline.store_faults import StoreError
from pipeline.view import ALARMS, View, is_name

NAME_LIMIT, NOTE_LIMIT, ID_LIMIT = 64, 500, 1200
# So many of those who had acknowledged alarms before are named.
NAMES_TOLD = 3


def panel(user: str | None) -> list[Component]:
    """The panel's components; `user` is who is logged in, if anybody has to be."""
    # Who is logged in acknowledges by that name.
    name: dict[str, Any] = {"persistence": True, "persistence_type": "local", "debounce": False}
    if user:
        name = {"value": user, "readOnly": True}
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
            ],
        ),
        html.Div(id="alarms-frame", className="grid-frame", children=[_grid()]),
        html.Div(
            className="row acknowledge",
            role="group",
            **aria(label="Acknowledge the selected alarms"),
            children=[
                dmc.TextInput(
                    id="name",
                    label="Your name",
                    attributes={"input": {"maxLength": NAME_LIMIT}},
                    **name,
                ),
                dmc.TextInput(
                    id="note",
                    label="Note (optional)",
                    attributes={"input": {"maxLength": NOTE_LIMIT}},
                    className="wide",
                ),
                dmc.Button("Acknowledge", id="acknowledge", disabled=True),
                html.P(id="acknowledge-hint", className="note"),
            ],
        ),
    ]


def _grid() -> Component:
    def by(name: str) -> dict[str, str]:
        return {"function": f"{name}(params)"}

    def column(field: str, title: str, width: int, **more: Any) -> dict[str, Any]:
        return {"field": field, "headerName": title, "width": width, **more}

    right = {"type": "rightAligned"}
    columns = [
        column("level", "Priority", 105, valueFormatter=by("priority"), cellClass=by("priorityClass")),
        column("rule", "Rule", 210, minWidth=210, flex=1, tooltipField="message"),
        column("sensor", "Sensor", 115),
        column("location", "Location", 140),
        column("value", "Value", 95, valueFormatter=by("measured"), **right),
        column("threshold", "Limit", 90, valueFormatter=by("measured"), **right),
        column("first", "First seen", 100, valueFormatter=by("moment")),
        column("last", "Last seen", 100, valueFormatter=by("moment")),
        column("count", "Alerts", 80, **right),
        column("active", "State", 90, valueFormatter=by("activity"), cellDataType=False),
        column("by", "Acknowledged", 150, valueFormatter=by("acknowledged"), tooltipField="note", flex=1, minWidth=130),
    ]
    grid: Component = dag.AgGrid(
        id="alarms",
        columnDefs=columns,
        rowData=None,
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": {"function": "gridTheme(themeQuartz)"},
            "rowSelection": {"mode": "multiRow", "enableClickSelection": False, "selectAll": "all"},
            "animateRows": False,
            "suppressCellFocus": False,
            "enableCellTextSelection": True,
            "localeText": {"noRowsToShow": "No alarms", "loadingOoo": "Waiting for data"},
            "tooltipShowDelay": 300,
        },
        className="grid",
        style={"height": None},
    )
    return grid


def register(app: Dash, context: Context) -> None:
    """Add the panel's callbacks."""

    @app.callback(
        Output("notices", "sendNotifications"),
        Output("changed", "data"),
        Output("note", "value"),
        Output("alarms", "selectedRows"),
        Input("acknowledge", "n_clicks"),
        State("alarms", "selectedRows"),
        State("name", "value"),
        State("note", "value"),
        running=[(Output("acknowledge", "loading"), True, False)],
        prevent_initial_call=True,
    )
    def _acknowledge(clicks: Any, rows: Any, name: Any, note: Any) -> tuple[Any, ...]:
        identities, by, remark = checked(rows, context.user() or name, note)
        try:
            with store_dashboard.within(DEADLINE_SECONDS):
                done = store_alarms.acknowledge(context.store, identities, by, datetime.now(UTC), remark)
        except StoreError as error:
            context.snapshots.forget()
            return [_notice("Not acknowledged", str(error), "red")], no_update, no_update, no_update
        context.snapshots.forget()
        return [_notice(*told(done))], clicks, "", []

    def draw(name: str, *parts: Any) -> None:
        app.clientside_callback(ClientsideFunction("alarms", name), *parts)

    draw(
        "rows",
        Output("alarms", "rowData"),
        Output("alarms-note", "children"),
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
    )


def checked(rows: object, name: object, note: object) -> tuple[list[str], str, str]:
    """The alarms' ids, who acknowledges them and the note; a request that our page would not send is answered 400."""
    if not isinstance(rows, list) or not 1 <= len(rows) <= ROWS_LIMIT:
        abort(400, "These are no alarms.")
    identities = [row.get("id") if isinstance(row, dict) else None for row in rows]
    known = [one for one in identities if is_name(one, ID_LIMIT)]
    by, remark = (value.strip() if isinstance(value, str) else value for value in (name, note or ""))
    if len(known) != len(rows) or not is_name(by, NAME_LIMIT) or not (remark == "" or is_name(remark, NOTE_LIMIT)):
        abort(400, "Give alarms, a name and perhaps a note.")
    return [str(one) for one in known], str(by), str(remark)


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

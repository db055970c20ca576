"""The page of one sensor, and the list of all of them where none is chosen."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from flask import abort

from pipeline import sensor_list, store_dashboard
from pipeline.pages.page import Context, Page, aria, drawing
from pipeline.pages.parts import action, panel
from pipeline.refusals import NAME_LIMIT
from pipeline.sensor_snapshots import FIELDS, SensorSnapshots
from pipeline.snapshots import DEADLINE_SECONDS, Maker, Sources
from pipeline.store_faults import StoreError
from pipeline.view import LISTED, is_name

FACTS = (
    ("value", "Last value"),
    ("heard", "Last heard"),
    ("alarms", "Open alarms"),
    ("battery", "Battery"),
    ("place", "Place and model"),
)
LISTS = {"all": "All", "silent": "Silent", "alarms": "With open alarms"}
TURNS = (
    ("first", "«", "First page"),
    ("back", "‹", "Page before"),
    ("next", "›", "Next page"),
    ("last", "»", "Last page"),
)


def panels(_context: Context) -> list[Component]:
    """The panels, empty: the browser fills them from the first snapshot."""
    return [
        html.Div(
            className="sensor-bar",
            children=[
                html.Div(id="sensor-way", className="sensor-way"),
                dmc.Select(
                    id="sensor-search",
                    data=[],
                    searchable=True,
                    placeholder="Find a sensor: its name or number",
                    nothingFoundMessage="No sensor’s name begins so",
                    filter={"function": "allFound"},
                    renderOption={"function": "sensorFound"},
                    maxDropdownHeight=420,
                    selectFirstOptionOnChange=True,
                    rightSection=html.Kbd("/", title="Press / to search"),
                    rightSectionPointerEvents="none",
                    className="sensor-search",
                    **aria(label="Find a sensor"),
                ),
            ],
        ),
        # The search that was answered last, and the best that it found.
        dcc.Store(id="found"),
        html.Div(id="sensor-list-place", children=[_list()]),
        html.Div(id="sensor-place", className="sensor-place", hidden=True, children=_sensor()),
    ]


def _list() -> Component:
    return panel(
        "list",
        "Sensors",
        [
            html.Div(
                className="row list-head",
                children=[
                    dmc.SegmentedControl(
                        id="listed",
                        value="all",
                        size="xs",
                        data=[{"value": one, "label": LISTS[one]} for one in LISTED],
                        **aria(label="Which sensors"),
                    ),
                    html.P(id="list-note", className="note", role="status"),
                    html.Nav(
                        className="turns",
                        **aria(label="Pages of the list"),
                        children=[
                            html.Button(
                                sign,
                                id=f"turn-{name}",
                                type="button",
                                className="action",
                                title=told,
                                **aria(label=told),
                            )
                            for name, sign, told in TURNS
                        ],
                    ),
                ],
            ),
            html.Div(id="list", className="sensor-table is-list", children=[html.Div(className="waiting")]),
        ],
        about="A sensor is silent when nothing has come from it for longer than --alive-within. Of the silent ones the "
        "longest silent come first, of those with open alarms the worst. The filters above narrow the list.",
        actions=[action("list-csv", "CSV", "Save the sensors that are shown as CSV")],
    )


def _sensor() -> list[Component]:
    return [
        html.Section(
            className="panel sensor-head",
            **aria(labelledby="sensor-title"),
            children=[
                html.Div(
                    className="sensor-name",
                    children=[html.H2(id="sensor-title"), html.P(id="sensor-state", className="note")],
                ),
                html.Div(
                    className="sensor-facts",
                    children=[
                        html.Div(
                            className="sensor-fact",
                            children=[
                                html.H3(label),
                                html.P("–", id=f"fact-{name}", className="value"),
                                html.P("\u00a0", id=f"fact-{name}-note", className="note"),
                            ],
                        )
                        for name, label in FACTS
                    ],
                ),
            ],
        ),
        panel(
            "readings",
            "Readings",
            [
                html.P(id="readings-note", className="note"),
                html.Div(id="readings-legend", className="legend"),
                html.Div(
                    id="readings-frame",
                    className="readings-frame",
                    children=[
                        dcc.Graph(
                            id="readings-chart",
                            style={"height": "340px"},
                            responsive=True,
                            config={
                                "displaylogo": False,
                                "displayModeBar": False,
                                "showTips": False,
                                "doubleClick": False,
                                "scrollZoom": False,
                            },
                        )
                    ],
                ),
            ],
            about="Few readings are drawn one by one; many are put together: the line is their mean, the band goes "
            "from minimum to maximum, so no extreme is lost. A mark is a reading that broke a rule. "
            "Drag over a part of the time to look at it alone.",
            actions=[
                action("readings-csv", "CSV", "Save the readings that are shown as CSV"),
                action("readings-png", "PNG", "Save the chart as a picture"),
            ],
        ),
        html.Div(
            className="sensor-pair",
            children=[
                panel(
                    "figures",
                    "Statistics",
                    [html.Div(id="sensor-figures")],
                    about="Of all readings in the time that is shown. Percentiles of many readings are near, all else "
                    "is exact. A gap is a silence of more than five usual intervals; where readings are put together, "
                    "of more than one point as well.",
                ),
                panel("sensor-alarms", "Alarms", [html.Div(id="sensor-alarms", className="sensor-table")]),
            ],
        ),
        panel(
            "peers",
            "Beside the others of its type and place",
            [html.P(id="peers-note", className="note"), html.Ol(id="peers", className="peers")],
            about="A bar goes from minimum to maximum, the mark is the mean; the tinted part is the normal range.",
            actions=[action("peers-csv", "CSV", "Save this comparison as CSV")],
        ),
    ]


def register(app: Dash, context: Context) -> None:
    """Add the panels' callbacks."""

    @app.callback(
        Output("sensor-search", "data"),
        Output("sensor-search", "nothingFoundMessage"),
        Output("found", "data"),
        Input("sensor-search", "searchValue"),
    )
    def _search(text: Any) -> tuple[Any, str, Any]:
        wanted = checked(text)
        try:
            with store_dashboard.within(DEADLINE_SECONDS):
                found = sensor_list.search(context.store, wanted)
        except StoreError:
            return [], "MongoDB does not answer", None
        options = [{"value": one["sensor"], "label": one["sensor"], "last": one} for one in found]
        best = found[0]["sensor"] if found else None
        return options, "No sensor’s name begins so", {"text": text or "", "best": best}

    draw = drawing(app, "sensor")
    snapshot, view, common = Input("snapshot", "data"), State("view", "data"), State("common", "data")
    draw(
        "chosen",
        Output("sensor-search", "value"),
        Output("sensor-search", "searchValue"),
        Input("sensor-search", "value"),
    )
    draw(
        "found",
        Output("sensor-search", "value", allow_duplicate=True),
        Input("found", "data"),
        prevent_initial_call=True,
    )
    draw(
        "places",
        Output("sensor-list-place", "hidden"),
        Output("sensor-place", "hidden"),
        Output("sensor-way", "children"),
        Input("view", "data"),
        Input("common", "data"),
    )
    draw("list", Output("list", "children"), Output("list-note", "children"), snapshot, view, common)
    draw("listed", Output("listed", "value"), Input("listed", "value"), Input("view", "data"))
    turns = [Output(f"turn-{name}", "disabled") for name, _, _ in TURNS]
    draw("turns", *turns, snapshot)
    draw(
        "turn",
        Output("change", "data", allow_duplicate=True),
        *[Input(f"turn-{name}", "n_clicks") for name, _, _ in TURNS],
        State("snapshot", "data"),
        view,
        prevent_initial_call=True,
    )
    facts = [Output(f"fact-{name}{part}", "children") for name, _ in FACTS for part in ("", "-note")]
    draw(
        "head",
        Output("sensor-title", "children"),
        Output("sensor-state", "children"),
        Output("sensor-place", "className"),
        *facts,
        snapshot,
        Input("clock", "n_intervals"),
        view,
        common,
    )
    draw(
        "chart",
        Output("readings-chart", "figure"),
        Output("readings-note", "children"),
        Output("readings-legend", "children"),
        Output("readings-frame", "className"),
        snapshot,
        Input("view", "data"),
        State("templates", "data"),
    )
    draw("figures", Output("sensor-figures", "children"), snapshot)
    draw("alarms", Output("sensor-alarms", "children"), snapshot, common)
    draw("peers", Output("peers", "children"), Output("peers-note", "children"), snapshot, view, common)
    for name in ("list-csv", "readings-csv", "readings-png", "peers-csv"):
        draw(
            name.replace("-", "_"),
            Output(name, "n_clicks"),
            Input(name, "n_clicks"),
            State("snapshot", "data"),
            prevent_initial_call=True,
        )


def checked(text: object) -> str:
    """What is searched for; a request that our page would not send is answered 400."""
    if text is None or text == "":
        return ""
    # Blanks around it are typed, and belong to no name.
    if not isinstance(text, str) or not is_name(text.strip() or "-", NAME_LIMIT):
        abort(400, "This is no sensor's name.")
    return text.strip()


def snapshot(sources: Sources) -> Maker:
    """What makes this page's documents."""
    return SensorSnapshots(sources).make


PAGE = Page("/sensor/", "Sensors", panels, register, snapshot, FIELDS)

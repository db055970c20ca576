"""The first page: how the sensors and the pipeline are doing."""

from __future__ import annotations

from typing import Any

from dash import MATCH, ClientsideFunction, Dash, Input, Output, State, html
from dash.development.base_component import Component

from pipeline.overview_snapshots import FIELDS, OverviewSnapshots
from pipeline.pages import alarm_grid
from pipeline.pages.page import Context, Control, Page, aria
from pipeline.pages.parts import waiting
from pipeline.snapshots import Maker, Sources

FIGURES = (
    ("rate", "Readings a second"),
    ("alive", "Sensors alive"),
    ("open", "Open alarms"),
    ("fresh", "Freshness"),
)


def panels(context: Context) -> list[Component]:
    """The panels, empty: the browser fills them from the first snapshot."""
    return [
        html.Section(className="figures", **aria(label="Key figures"), children=[_figure(*one) for one in FIGURES]),
        html.Section(
            className="panel",
            **aria(labelledby="charts-title"),
            children=[
                html.H2("Readings by type", id="charts-title"),
                html.P(id="charts-note", className="note"),
                html.Div(id="charts", className="charts", children=[waiting() for _ in range(6)]),
            ],
        ),
        html.Section(className="panel", **aria(labelledby="alarms-title"), children=alarm_grid.panel(context.user())),
        html.Section(
            className="panel",
            **aria(labelledby="health-title"),
            children=[
                html.H2("Pipeline health", id="health-title"),
                html.Div(id="health", className="health", children=[waiting()]),
            ],
        ),
    ]


def _figure(name: str, label: str) -> Component:
    return html.Div(
        className="card figure",
        id=f"{name}-card",
        children=[
            html.H2(label),
            html.P("–", id=f"{name}-value", className="value"),
            html.P("\u00a0", id=f"{name}-note", className="note"),
        ],
    )


def register(app: Dash, context: Context) -> None:
    """Add the panels' callbacks."""
    alarm_grid.register(app, context)

    def draw(name: str, *parts: Any) -> None:
        app.clientside_callback(ClientsideFunction("overview", name), *parts)

    figures = [Output(f"{name}-{part}", "children") for name, _ in FIGURES for part in ("value", "note")]
    draw("figures", *figures, Input("snapshot", "data"), Input("clock", "n_intervals"), State("view", "data"))
    draw(
        "cards",
        Output("charts", "children"),
        Output("charts-note", "children"),
        Input("snapshot", "data"),
        State("charts", "children"),
    )
    one = {"type": "chart", "of": MATCH}
    draw(
        "chart",
        Output(one, "figure"),
        Output({"type": "chart-now", "of": MATCH}, "children"),
        Input("snapshot", "data"),
        Input("view", "data"),
        State("templates", "data"),
        State(one, "id"),
        State(one, "figure"),
    )
    draw("health", Output("health", "children"), Input("snapshot", "data"))


def snapshot(sources: Sources) -> Maker:
    """What makes the overview's documents."""
    return OverviewSnapshots(sources).make


PAGE = Page("/", "Overview", panels, register, snapshot, FIELDS, (Control("alarms-shown", "value", "alarms"),))

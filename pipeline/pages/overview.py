"""The first page: how the sensors and the pipeline are doing."""

from __future__ import annotations

from dash import MATCH, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from pipeline.overview_snapshots import FIELDS, OverviewSnapshots
from pipeline.pages import alarm_grid
from pipeline.pages.page import Context, Control, Page, aria, drawing
from pipeline.pages.parts import action, hint, panel, waiting
from pipeline.snapshots import Maker, Sources

FIGURES = {
    "rate": (
        "Readings a second",
        "What was stored over the last 10 seconds or so; with filters, what came of the chosen sensors over the last "
        "minute, and in a time that is over the mean of it. The line shows the chosen time, and the change is that of "
        "the mean against the time of the same length before.",
    ),
    "alive": (
        "Sensors alive",
        "Sensors whose last reading is recent, of all that are known; the bar shows how many of them.",
    ),
    "open": (
        "Open alarms",
        "Alarms that are active and that nobody has acknowledged. The bars show when alarms were last seen in the "
        "chosen time, and the change is that of their number against the time of the same length before.",
    ),
    "fresh": (
        "Freshness",
        "The age of the newest reading. Beyond 15 seconds the page says so, and where new readings stay. The line "
        "shows how long 95 % of the readings of the latest batches took at most, from the sensor into MongoDB.",
    ),
}
CELLS = (
    "The mean over the chosen time, and how far it is from the middle of the sensor type’s normal range: grey within "
    "it, blue below, orange above, the stronger the farther. A number in a corner counts open alarms, red where one is "
    "critical. A cell shows that type at that location alone, the name of a row or a column all of it; the same again "
    "shows everything."
)
CHARTS = (
    "The mean, weighted by the number of readings, and the band from minimum to maximum; the tinted part is the normal "
    "range. A gap is a gap in the data. Drag across a chart to look closer: that becomes the page’s time, and the "
    "browser’s back undoes it, as does a double-click."
)


def panels(context: Context) -> list[Component]:
    """The panels, empty: the browser fills them from the first snapshot."""
    return [
        html.Section(
            className="figures", **aria(label="Key figures"), children=[_figure(one, *FIGURES[one]) for one in FIGURES]
        ),
        html.Section(className="health-strip", **aria(label="Pipeline health"), children=[html.Div(id="health")]),
        html.Div(
            className="side-by-side",
            children=[
                panel(
                    "cells",
                    "Deviation from normal",
                    [html.Div(id="cells", className="cells", children=[waiting()])],
                    about=CELLS,
                    actions=[action("cells-csv", "CSV", "Save the table as CSV")],
                ),
                panel(
                    "places",
                    "Open alarms by location",
                    [html.Div(id="places", className="bars", children=[waiting()])],
                    about="The locations with the most open alarms. A bar narrows the page to its location; the same "
                    "again shows everything.",
                ),
            ],
        ),
        panel(
            "charts",
            "Readings by type",
            [
                html.P(id="charts-note", className="note"),
                html.Div(id="charts", className="charts", children=[waiting() for _ in range(6)]),
            ],
            about=CHARTS,
            actions=[
                action("charts-csv", "CSV", "Save the charts’ points as CSV"),
                action("charts-png", "PNG", "Save the charts as a picture"),
            ],
        ),
        html.Section(className="panel", **aria(labelledby="alarms-title"), children=alarm_grid.panel(context.user())),
        dcc.Store(id="exported"),
        dcc.Store(id="drawn"),
    ]


def _figure(name: str, label: str, about: str) -> Component:
    return html.Div(
        className="card figure",
        id=f"{name}-card",
        children=[
            html.Div(className="figure-head", children=[html.H2(label), hint(label, about)]),
            html.P("–", id=f"{name}-value", className="value"),
            html.P("\u00a0", id=f"{name}-note", className="note"),
            html.Div(id=f"{name}-trend", className="trend"),
        ],
    )


def register(app: Dash, context: Context) -> None:
    """Add the panels' callbacks."""
    alarm_grid.register(app, context)

    draw = drawing(app, "overview")
    figures = [Output(f"{name}-{part}", "children") for name in FIGURES for part in ("value", "note")]
    draw("figures", *figures, Input("snapshot", "data"), Input("clock", "n_intervals"), State("view", "data"))
    trends = [Output(f"{name}-trend", "children") for name in FIGURES]
    draw("trends", *trends, Input("snapshot", "data"), Input("view", "data"))
    draw("cells", Output("cells", "children"), Input("snapshot", "data"), Input("view", "data"))
    draw("places", Output("places", "children"), Input("snapshot", "data"))
    draw(
        "cards",
        Output("charts", "children"),
        Output("charts-note", "children"),
        Output("drawn", "data"),
        Input("snapshot", "data"),
        State("charts", "children"),
    )
    one = {"type": "chart", "of": MATCH}
    draw(
        "chart",
        Output(one, "figure"),
        Output({"type": "chart-now", "of": MATCH}, "children"),
        # Behind "cards": else it would be called for charts that are just being removed, which Dash takes for an error.
        Input("drawn", "data"),
        Input("theme", "forceColorScheme"),
        State("snapshot", "data"),
        State("view", "data"),
        State("templates", "data"),
        State(one, "id"),
    )
    draw("health", Output("health", "children"), Input("snapshot", "data"), Input("common", "data"))
    draw(
        "export",
        Output("exported", "data"),
        *[Input(identity, "n_clicks") for identity in ("cells-csv", "charts-csv", "charts-png")],
        State("snapshot", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )


def snapshot(sources: Sources) -> Maker:
    """What makes the overview's documents."""
    return OverviewSnapshots(sources).make


PAGE = Page("/", "Overview", panels, register, snapshot, FIELDS, (Control("alarms-shown", "value", "alarms"),))

"""The page about the pipeline itself: how long readings take, where they wait, what was refused, and what to do."""

from __future__ import annotations

import logging
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from flask import abort

from pipeline import latency, pipeline_snapshots, store_dashboard, store_pipeline
from pipeline.pages import parts
from pipeline.pages.page import Context, Control, Page, aria, drawing
from pipeline.pipeline_snapshots import FIELDS, PipelineSnapshots
from pipeline.snapshots import DEADLINE_SECONDS, Maker, Sources
from pipeline.store_faults import StoreError
from pipeline.view import LAGS, is_name

log = logging.getLogger(__name__)

# A topic's name has 249 characters at most; partition and offset come after it.
ID_LIMIT = 300
LEGS = {
    latency.IN_ALL: "In all",
    latency.TO_BROKER: "Broker",
    latency.TO_SPARK: "Spark",
    latency.TO_STORE: "MongoDB",
}
# What each chart shows, for who cannot see it, and what is to be explained.
CHARTS = {
    "latency": ("Latency", "Half of the readings took no longer than p50, and one in a hundred longer than p99."),
    "rate": ("Messages a second", "What each query took in. The router reads the same messages in real time."),
    "lag": ("Lag, messages", "Messages that waited on the topic when a batch began: what Kafka calls a group's lag."),
    "batch": ("Batch times", "The longest batch of each moment. Batches that take longer than the trigger come late."),
    "behind": ("Watermark behind the clock", "Windows up to the watermark are closed: what comes later is late."),
    "losses": (
        "Late and refused, messages",
        "Late readings are stored but count in no window; refused are dead letters.",
    ),
}


def panels(_context: Context) -> list[Component]:
    """The panels, empty: the browser fills them from the first snapshot."""
    return [
        dcc.Store(id="letter"),
        html.Section(
            className="panel",
            **aria(labelledby="way-title"),
            children=[
                html.H2("The way of a reading", id="way-title"),
                html.P(id="way-note", className="note"),
                html.Ol(id="way", className="way", children=[html.Li(className="waiting", **aria(hidden="true"))]),
                html.Div(id="todo", className="todo", **aria(live="polite")),
            ],
        ),
        parts.panel(
            "series",
            "Over time",
            [
                html.P(id="kept", className="note"),
                html.Div(className="charts pipeline-charts", children=[_chart(name) for name in CHARTS]),
            ],
            actions=[parts.action("series-csv", "CSV", "Save what the charts show as a CSV file")],
        ),
        html.Section(
            className="panel",
            **aria(labelledby="queries-title"),
            children=[
                html.H2("Streaming queries", id="queries-title"),
                html.Div(id="queries", className="health", children=[html.Div(className="waiting")]),
            ],
        ),
        html.Section(className="panel", **aria(labelledby="letters-title"), children=_letters()),
        html.Section(
            className="panel",
            **aria(labelledby="holdings-title"),
            children=[
                html.H2("MongoDB", id="holdings-title"),
                html.Div(id="holdings", className="holdings", children=[html.Div(className="waiting")]),
            ],
        ),
    ]


def _chart(name: str) -> Component:
    title, explained = CHARTS[name]
    choice: list[Component] = []
    if name == "latency":
        choice = [_segments("leg", "Which leg", LEGS, latency.IN_ALL)]
    if name == "lag":
        choice = [_segments("lag-of", "Whose lag", {one: one for one in LAGS}, "readings")]
    return html.Div(
        className="card",
        role="group",
        **aria(label=title),
        children=[
            html.Div(className="card-head", children=[html.H3(title), parts.hint(title, explained), *choice]),
            html.Div(id=f"{name}-legend", className="legend"),
            dcc.Graph(
                id=f"{name}-chart",
                style={"height": "180px"},
                responsive=True,
                config={
                    "displaylogo": False,
                    "showTips": False,
                    "modeBarButtons": [["toImage"]],
                    "toImageButtonOptions": {"filename": f"pipeline-{name}", "scale": 2},
                    "doubleClick": False,
                    "scrollZoom": False,
                },
            ),
        ],
    )


def _segments(identity: str, label: str, choices: dict[str, str], value: str) -> Component:
    control: Component = dmc.SegmentedControl(
        id=identity,
        size="xs",
        value=value,
        data=[{"value": name, "label": shown} for name, shown in choices.items()],
        **aria(label=label),
    )
    return control


def _letters() -> list[Component]:
    return [
        html.Div(
            className="row",
            children=[
                html.H2("Dead letters", id="letters-title"),
                dmc.Select(
                    id="reason",
                    placeholder="All reasons",
                    data=[],
                    value=None,
                    clearable=True,
                    size="xs",
                    className="reason",
                    clearButtonProps={"aria-label": "Clear the reason"},
                    **aria(label="Reason"),
                ),
                html.P(id="letters-note", className="note"),
                html.Div(
                    className="actions",
                    children=[parts.action("letters-csv", "CSV", "Save the messages of this list as a CSV file")],
                ),
            ],
        ),
        html.Div(id="letters-frame", className="grid-frame", children=[_grid()]),
        html.Div(id="letter-shown", className="letter", **aria(live="polite")),
        html.Div(id="remedy", className="remedy"),
    ]


def _grid() -> Component:
    def by(name: str) -> dict[str, str]:
        return {"function": f"{name}(params)"}

    def column(field: str, title: str, width: int, **more: Any) -> dict[str, Any]:
        return {"field": field, "headerName": title, "width": width, **more}

    right = {"type": "rightAligned"}
    columns = [
        column("stored", "Stored", 120, valueFormatter=by("moment")),
        column("code", "Reason", 150),
        column("shown", "Message", 300, minWidth=200, flex=2, cellClass="bytes"),
        column("reason", "Why", 240, minWidth=160, flex=1, tooltipField="reason"),
        column("topic", "Topic", 120),
        column("partition", "Partition", 95, **right),
        column("offset", "Offset", 100, **right),
        column("size", "Bytes", 85, **right),
        column("retries", "Retries", 85, **right),
    ]
    grid: Component = dag.AgGrid(
        id="letters",
        columnDefs=columns,
        rowData=None,
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "suppressMovable": True},
        dashGridOptions={
            "theme": {"function": "gridTheme(themeQuartz)"},
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "animateRows": False,
            "localeText": {"noRowsToShow": "No dead letters", "loadingOoo": "Waiting for data"},
            "tooltipShowDelay": 300,
        },
        className="grid letters",
        style={"height": None},
    )
    return grid


def register(app: Dash, context: Context) -> None:
    """Add the panels' callbacks."""

    @app.callback(Output("letter", "data"), Input("letters", "selectedRows"), prevent_initial_call=True)
    def _letter(rows: Any) -> Any:
        identity = checked(rows)
        if identity is None:
            return None
        try:
            with store_dashboard.within(DEADLINE_SECONDS):
                found = store_pipeline.letter(context.store, identity)
        except StoreError as error:
            return {"id": identity, "error": str(error)}
        if found is None:
            return {"id": identity, "error": "This message is kept no longer."}
        return pipeline_snapshots.letter_whole(found)

    draw = drawing(app, "pipeline")
    snapshot, view = Input("snapshot", "data"), Input("view", "data")
    draw(
        "way",
        *(Output("way", "children"), Output("way-note", "children"), Output("todo", "children")),
        *(snapshot, Input("link", "data"), Input("clock", "n_intervals"), view),
    )
    draw(
        "charts",
        *(
            Output(f"{name}-{part}", prop)
            for name in CHARTS
            for part, prop in (("chart", "figure"), ("legend", "children"))
        ),
        Output("kept", "children"),
        *(snapshot, view, State("templates", "data")),
    )
    draw("queries", Output("queries", "children"), snapshot, view)
    draw(
        "letters",
        *(Output("letters", "rowData"), Output("letters-note", "children"), Output("reason", "data")),
        *(Output("letters-frame", "data-ag-theme-mode"), Output("letters-frame", "className")),
        Output("remedy", "children"),
        *(snapshot, view, State("reason", "data")),
    )
    draw("letter", Output("letter-shown", "children"), Input("letter", "data"), view)
    for name in ("series", "letters"):
        draw(f"{name}_csv", Input(f"{name}-csv", "n_clicks"), State("snapshot", "data"))
    draw("holdings", Output("holdings", "children"), snapshot)


def checked(rows: object) -> str | None:
    """The `_id` of the row that was chosen, None for none; a request that our page would not send is answered 400."""
    if rows is None or rows == []:
        return None
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
        abort(400, "This is no dead letter.")
    identity = rows[0].get("id")
    if not is_name(identity, ID_LIMIT):
        abort(400, "This is no dead letter.")
    return str(identity)


def _maker(sources: Sources) -> Maker:
    return PipelineSnapshots(sources).make


PAGE = Page(
    "/pipeline/",
    "Pipeline",
    panels,
    register,
    _maker,
    FIELDS,
    (Control("leg", "value", "leg"), Control("lag-of", "value", "lag"), Control("reason", "value", "reason")),
)

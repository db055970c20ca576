"""The page of alarms: one row for each time that a sensor kept breaking a rule, or sent nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from pipeline import view
from pipeline.alarm_snapshots import FIELDS, AlarmSnapshots
from pipeline.pages import alarm_grid
from pipeline.pages.page import Context, Control, Page, aria, drawing
from pipeline.pages.parts import action, panel
from pipeline.rules import PRIORITIES
from pipeline.snapshots import Maker, Sources
from pipeline.view import View

COLUMNS = (
    *("level", "sensor", "rule", "location", "value", "threshold", "first", "last", "lasting", "count"),
    *("active", "acknowledged"),
)
ABOUT = (
    "One row for each time that a sensor kept breaking a rule, or sent nothing. It is active while the alerts go on, "
    "and cleared when the sensor has sent readings for a while without one; an acknowledgement says who has seen it. "
    "Click a row for its values over time."
)
# What functions answer that change something else than a component of their own.
_DONE = ("alarm-chosen", "alarm-closed", "alarm-sorted", "alarm-sounded", "alarm-exported")
# Which alarms each count is of.
KINDS = {
    "active-0": "Active, not acknowledged",
    "active-1": "Active, acknowledged",
    "cleared-0": "Cleared, not acknowledged",
    "cleared-1": "Cleared, acknowledged",
}


def panels(context: Context) -> list[Component]:
    """The panels, empty: the browser fills them from the first snapshot."""
    return [
        html.Section(
            className="figures kinds",
            **aria(label="Alarms by state"),
            children=[_kind(*one) for one in KINDS.items()],
        ),
        panel(
            "alarms",
            "Alarms",
            [
                html.P(id="alarms-note", className="note", role="status"),
                _filters(),
                html.Div(className="list-and-detail", children=[_list(), _detail()]),
                *alarm_grid.acknowledgement(context.user()),
                *[dcc.Store(id=name) for name in _DONE],
            ],
            about=ABOUT,
            actions=[
                html.P(id="sound-hint", className="note"),
                dmc.Switch(
                    id="sound",
                    size="xs",
                    label="Sound for new critical ones",
                    checked=False,
                    persistence=True,
                    persistence_type="local",
                ),
                action("alarms-export", "CSV", "Save the alarms that are listed as CSV"),
            ],
            name="panel alarms-panel",
        ),
    ]


def _list() -> Component:
    events = {
        "sortChanged": ["alarmSorted(params)"],
        "cellClicked": ["alarmOpened(params)"],
        "cellKeyDown": ["alarmOpened(params)"],
    }
    return alarm_grid.grid(COLUMNS, sort=View.sort, events=events)


def _kind(name: str, label: str) -> Component:
    return html.Button(
        className="card figure kind",
        id=f"kind-{name}",
        type="button",
        **aria(pressed="false"),
        children=[
            html.Span(label, className="kind-label"),
            html.Span("–", id=f"kind-{name}-value", className="value"),
            html.Span("\u00a0", id=f"kind-{name}-note", className="note"),
        ],
    )


def _filters() -> Component:
    def choice(identity: str, label: str, names: Sequence[str], placeholder: str) -> Component:
        made: Component = dmc.MultiSelect(
            id=identity,
            label=label,
            placeholder=placeholder,
            data=list(names),
            clearable=True,
            searchable=True,
            clearButtonProps={"aria-label": f"Clear {label.lower()}"},
            nothingFoundMessage="None of that name",
            maxValues=view.CHOICES_LIMIT,
            className="choice",
        )
        return made

    def one_of(identity: str, label: str, names: Mapping[str, str], value: str) -> Component:
        return html.Div(
            children=[
                html.Div(label, className="label", id=f"{identity}-label"),
                dmc.SegmentedControl(
                    id=identity,
                    size="sm",
                    value=value,
                    data=[{"value": name, "label": shown} for name, shown in names.items()],
                    **aria(labelledby=f"{identity}-label"),
                ),
            ]
        )

    return html.Div(
        className="filters alarm-filters",
        role="group",
        **aria(label="Which alarms"),
        children=[
            one_of("alarm-state", "State", {"active": "Active", "cleared": "Cleared", "any": "Any"}, View.state),
            one_of("alarm-noted", "Acknowledged", {"no": "No", "yes": "Yes", "any": "Any"}, View.acknowledged),
            choice("alarm-priorities", "Priority", tuple(reversed(PRIORITIES)), "All priorities"),
            choice("alarm-rules", "Rule", (), "All rules"),
            dmc.TextInput(id="alarm-sensor", label="Sensor", placeholder="All sensors", debounce=400),
        ],
    )


def _detail() -> Component:
    return html.Aside(
        id="detail",
        className="detail",
        hidden=True,
        **aria(labelledby="detail-title") | {"data-own-time": "yes"},
        children=[
            html.Div(
                className="card-head",
                children=[
                    html.H3(id="detail-title"),
                    html.Button("×", id="detail-close", type="button", className="close", **aria(label="Close")),
                ],
            ),
            html.Div(id="detail-about"),
            html.P(id="detail-more", className="note"),
            dcc.Graph(
                id="detail-chart",
                style={"height": "210px"},
                responsive=True,
                config={"displaylogo": False, "displayModeBar": False, "showTips": False, "doubleClick": "autosize"},
            ),
            html.Div(id="detail-facts"),
            html.H4("Earlier ones of this sensor and rule"),
            html.Div(id="detail-earlier", className="earlier"),
        ],
    )


def register(app: Dash, context: Context) -> None:
    """Add the panels' callbacks."""
    alarm_grid.register_grid(app, context)

    draw = drawing(app, "alarmPage")
    kinds = [f"kind-{name}" for name in KINDS]
    draw(
        "counts",
        *[Output(f"{kind}-{part}", "children") for part in ("value", "note") for kind in kinds],
        *[Output(kind, "aria-pressed") for kind in kinds],
        Output("alarms-note", "children"),
        Input("snapshot", "data"),
        Input("view", "data"),
    )
    draw(
        "choose",
        Output("alarm-chosen", "data"),
        *[Input(kind, "n_clicks") for kind in kinds],
        State("view", "data"),
        prevent_initial_call=True,
    )
    draw("rules", Output("alarm-rules", "data"), Input("snapshot", "data"), Input("view", "data"))
    draw("sort", Output("alarm-sorted", "data"), Input("view", "data"))
    draw("sounds", Output("sound-hint", "children"), Input("sound", "checked"))
    draw("announce", Output("alarm-sounded", "data"), Input("snapshot", "data"))
    draw(
        "export",
        Output("alarm-exported", "data"),
        Input("alarms-export", "n_clicks"),
        State("snapshot", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("alarmDetail", "draw"),
        Output("detail", "className"),
        Output("detail", "hidden"),
        Output("detail-title", "children"),
        Output("detail-about", "children"),
        Output("detail-chart", "figure"),
        Output("detail-more", "children"),
        Output("detail-facts", "children"),
        Output("detail-earlier", "children"),
        Input("snapshot", "data"),
        Input("view", "data"),
        State("templates", "data"),
        State("common", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("alarmDetail", "close"),
        Output("alarm-closed", "data"),
        Input("detail-close", "n_clicks"),
        prevent_initial_call=True,
    )


def snapshot(sources: Sources) -> Maker:
    """What makes the documents of this page."""
    return AlarmSnapshots(sources).make


PAGE = Page(
    "/alarms/",
    "Alarms",
    panels,
    register,
    snapshot,
    FIELDS,
    (
        Control("alarm-state", "value", "state"),
        Control("alarm-noted", "value", "acknowledged"),
        Control("alarm-priorities", "value", "priorities"),
        Control("alarm-rules", "value", "rules"),
        Control("alarm-sensor", "value", "sensor"),
    ),
)

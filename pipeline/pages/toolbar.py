"""The controls that every page has: filters, time, and how often the page asks."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component

from pipeline import view
from pipeline.pages.page import Control, aria, drawing
from pipeline.view import AS_SERVED, RANGES, REFRESHES, View

CONTROLS = (
    Control("types", "value", "types"),
    Control("locations", "value", "locations"),
    Control("range", "value", "range"),
    Control("live", "checked", "paused", inverted=True),
    Control("refresh", "value", "refresh", known=REFRESHES),
)


def toolbar(refresh: float) -> Component:
    """The controls; `refresh` is the seconds between two ticks where nobody chose others."""
    return html.Div(
        className="filters",
        role="group",
        **aria(label="Filters and time"),
        children=[
            _choice("types", "Sensor types", "All types"),
            _choice("locations", "Locations", "All locations"),
            html.Button("Clear filters", id="clear", type="button", className="quiet clear", hidden=True),
            html.Div(className="time", children=[html.Div("Time", className="label", id="range-label"), _time()]),
            html.Div(
                className="pace",
                children=[
                    dmc.Switch(id="live", label="Live", checked=True),
                    dmc.Select(
                        id="refresh",
                        value=str(View.refresh),
                        data=[{"value": str(one), "label": _often(one, refresh)} for one in REFRESHES],
                        allowDeselect=False,
                        className="refresh",
                        **aria(label="How often the page asks for news"),
                    ),
                    _button("refresh-now", "⟳", "Ask for news now"),
                ],
            ),
        ],
    )


def _time() -> Component:
    return html.Div(
        className="time-parts",
        children=[
            _button("earlier", "‹", "Earlier"),
            dmc.SegmentedControl(
                id="range",
                value=View.range,
                data=[{"value": name, "label": one.label} for name, one in RANGES.items()],
                className="ranges",
                **aria(labelledby="range-label"),
            ),
            dmc.Popover(
                id="between-popover",
                position="bottom-end",
                shadow="md",
                # They would stand on a div around the button, which may not have them.
                withRoles=False,
                trapFocus=True,
                children=[
                    dmc.PopoverTarget(html.Button("From … to …", id="between", type="button", className="quiet")),
                    dmc.PopoverDropdown(_between()),
                ],
            ),
            _button("now", "×", "Back to what is now", hidden=True),
            _button("later", "›", "Later"),
        ],
    )


def _between() -> Component:
    return html.Div(
        className="between",
        children=[
            *[
                dmc.DateTimePicker(
                    id=identity,
                    label=label,
                    valueFormat="DD MMM YYYY HH:mm:ss",
                    withSeconds=True,
                    highlightToday=True,
                    # Within the popover, which a click elsewhere closes.
                    popoverProps={"withinPortal": False},
                )
                for identity, label in (("between-since", "From"), ("between-until", "To"))
            ],
            html.P(id="between-zone", className="note"),
            html.P(id="between-problem", className="problem", role="alert"),
            dmc.Button("Show this time", id="between-show"),
        ],
    )


def _button(identity: str, sign: str, label: str, **more: Any) -> Component:
    button: Component = html.Button(
        sign, id=identity, type="button", className="quiet sign", title=label, **aria(label=label), **more
    )
    return button


def _often(seconds: int, default: float) -> str:
    if seconds == AS_SERVED:
        return f"Auto ({default:g} s)"
    return f"Every {seconds} s" if seconds else "Off"


def _choice(identity: str, label: str, placeholder: str) -> Component:
    choice: Component = dmc.MultiSelect(
        id=identity,
        label=label,
        placeholder=placeholder,
        data=[],
        searchable=True,
        clearable=True,
        clearButtonProps={"aria-label": f"Clear {label.lower()}"},
        nothingFoundMessage="None of that name",
        maxValues=view.CHOICES_LIMIT,
        className="choice",
    )
    return choice


def register(app: Dash) -> None:
    """Add what the toolbar does in the browser. It changes the view by the store "change"."""

    draw = drawing(app, "toolbar")
    draw(
        "show",
        Output("between", "children"),
        Output("between", "className"),
        Output("now", "hidden"),
        Output("later", "disabled"),
        Output("clear", "hidden"),
        Input("view", "data"),
    )
    draw(
        "step",
        Output("change", "data", allow_duplicate=True),
        *[Input(identity, "n_clicks") for identity in ("earlier", "later", "now", "clear")],
        State("view", "data"),
        State("snapshot", "data"),
        prevent_initial_call=True,
    )
    draw(
        "open",
        Output("between-since", "value"),
        Output("between-until", "value"),
        Output("between-zone", "children"),
        Input("between", "n_clicks"),
        State("snapshot", "data"),
        prevent_initial_call=True,
    )
    draw(
        "between",
        Output("change", "data", allow_duplicate=True),
        Output("between-popover", "opened", allow_duplicate=True),
        Output("between-problem", "children"),
        Input("between-show", "n_clicks"),
        State("between-since", "value"),
        State("between-until", "value"),
        prevent_initial_call=True,
    )
    draw(
        "choices",
        Output("types", "data"),
        Output("locations", "data"),
        Input("snapshot", "data"),
        Input("view", "data"),
        State("types", "data"),
        State("locations", "data"),
    )

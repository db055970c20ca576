"""What every page has around its panels: head, filters, notices, and the one callback that asks for data.

The address is the only state. `_follow` alone changes it and the controls, so that they cannot chase each other. What
is no control changes the view by the store "change": fields of the view with their new values.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from flask import abort

from pipeline import figures, view
from pipeline.clock import utc_now
from pipeline.pages import toolbar
from pipeline.pages.page import Context, Control, Page, aria, drawing
from pipeline.store_faults import StoreError
from pipeline.view import LONGEST_SECONDS, SHORTEST_SECONDS, THEMES, ZONES, View

log = logging.getLogger(__name__)

_INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
    <link rel="prefetch" as="script" id="plotly" href="PLOTLY">
  </head>
  <body>
    {%app_entry%}
    <noscript>This page needs JavaScript.</noscript>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""

# One for all pages, which browsers keep by its version.
PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"
# As web_login.py has it.
LEAVE_PATH = "/logout"
# The output by which a request is known as a tick, and where a page keeps the mark that tells it from others.
TICK = "..snapshot.data...link.data.."
VIEWER = "viewer"

# What stays when one goes to another page.
COMMON = ("types", "locations", "range", "since", "until", "refresh", "zone", "theme", "paused")
CONTROLS = (*toolbar.CONTROLS, Control("zone", "value", "zone"), Control("theme-choice", "value", "theme"))


def index() -> str:
    """The HTML around a page.

    It lets the browser fetch plotly.js in advance; frame.js has it run when the figures are there.
    """
    return _INDEX.replace("PLOTLY", f"{PLOTLY}?v={version('plotly')}")


def layout(page: Page, places: Sequence[tuple[str, str]], panels: Sequence[Component], context: Context) -> Component:
    """A page's components: the frame, and the panels in it; `places` are the paths and titles of all pages."""
    user = context.user()
    whole: Component = dmc.MantineProvider(
        id="theme",
        defaultColorScheme="auto",
        # The shade is the first one that white text can be read on.
        theme={
            "primaryColor": "blue",
            "primaryShade": 8,
            "fontFamily": "inherit",
            "headings": {"fontFamily": "inherit"},
        },
        children=[
            dcc.Location(id="url", refresh=False),
            dcc.Store(id="view"),
            dcc.Store(id="change"),
            dcc.Store(id="common", data=""),
            dcc.Store(id="snapshot"),
            dcc.Store(id="link"),
            dcc.Store(id="changed"),
            dcc.Store(id=VIEWER, data=secrets.token_hex(8)),
            dcc.Store(id="templates", data=figures.templates()),
            dcc.Store(id="served", data=_served(context.refresh)),
            dcc.Interval(id="tick", interval=round(1000 * context.refresh)),
            dcc.Interval(id="clock", interval=1000),
            dmc.NotificationContainer(id="notices", position="top-center"),
            html.A("Skip to the figures", href="#panels", className="skip"),
            html.Header(
                className="head",
                children=[
                    html.H1(page.title, className="unseen"),
                    html.Span("Sensors", className="brand"),
                    html.Nav(
                        className="places",
                        **aria(label="Pages"),
                        children=[_place(path, title, path == page.path) for path, title in places],
                    ),
                    html.P(id="status", className="status", role="status"),
                    dmc.SegmentedControl(
                        id="zone",
                        size="xs",
                        value=View.zone,
                        data=[{"value": name, "label": "UTC" if name == "utc" else "Local"} for name in ZONES],
                        **aria(label="Times in"),
                    ),
                    dmc.SegmentedControl(
                        id="theme-choice",
                        size="xs",
                        value="auto",
                        data=[{"value": name, "label": name.capitalize()} for name in THEMES],
                        **aria(label="Theme"),
                    ),
                    *([_leave(user)] if user else []),
                ],
            ),
            toolbar.toolbar(context.refresh),
            html.Div(id="banner", role="alert"),
            html.Main(id="panels", className="panels is-loading", tabIndex=-1, children=list(panels)),
        ],
    )
    return whole


def _served(refresh: float) -> dict[str, float]:
    return {"refresh": refresh, "shortest": SHORTEST_SECONDS, "longest": LONGEST_SECONDS}


def _place(path: str, title: str, is_here: bool) -> Component:
    place: Component = html.A(
        title, href=path, id={"type": "place", "of": path}, **(aria(current="page") if is_here else {})
    )
    return place


def _leave(user: str) -> Component:
    return html.Form(
        action=LEAVE_PATH,
        method="POST",
        className="user",
        children=[html.Span(user), html.Button("Log out", type="submit")],
    )


def register(app: Dash, context: Context, page: Page) -> None:
    """Add the frame's callbacks to a page."""
    controls = (*CONTROLS, *page.controls)

    @app.callback(
        Output("view", "data"),
        Output("common", "data"),
        Output("url", "search"),
        *[Output(one.identity, one.prop) for one in controls],
        Input("url", "search"),
        Input("change", "data"),
        *[Input(one.identity, one.prop) for one in controls],
        State("view", "data"),
    )
    def _follow(search: Any, change: Any, *given: Any) -> tuple[Any, ...]:
        *values, before = given
        if before is None or ctx.triggered_id in {None, "url"}:
            now = view.from_query(search)
            address: Any = no_update
        else:
            now = _checked(_changed(_merged(controls, values, before), ctx.triggered_id, change))
            address = view.to_query(now)
        shown = now.as_json()
        kept = no_update if shown == before else shown
        common = view.to_query(now.only(COMMON))
        return kept, common, address, *(_shown(one, now) for one in controls)

    @app.callback(
        Output("snapshot", "data"),
        Output("link", "data"),
        Input("tick", "n_intervals"),
        Input("view", "data"),
        Input("changed", "data"),
        # For the metrics, which count those that look.
        State(VIEWER, "data"),
        # A tick that takes longer than the interval is not overtaken by the next one, which would drop it.
        running=[(Output("tick", "disabled"), True, False)],
    )
    def _tick(_count: Any, shown: Any, _changed: Any, _viewer: Any) -> tuple[Any, Any]:
        if shown is None:
            return no_update, no_update
        chosen = _checked(shown)
        try:
            found = context.snapshots.get(page.path, chosen)
            # By this the browser knows how far its clock is from ours.
            return found, {"ok": True, "now": figures.milliseconds(utc_now())}
        except StoreError as error:
            since = context.snapshots.away_since
            return no_update, {"ok": False, "why": str(error), "since": figures.milliseconds(since) if since else None}

    _draw(app)
    toolbar.register(app)


def _merged(controls: Sequence[Control], values: Sequence[Any], before: Any) -> Any:
    """The view before with what the controls say now; what makes no sense is found when it is checked."""
    if not isinstance(before, dict):
        return None
    said = {one.field: one.told(value) for one, value in zip(controls, values, strict=True)}
    # While the time begins and ends at chosen instants, none of the ranges is chosen.
    return {**before, **said, "range": said["range"] or before.get("range")}


def _changed(merged: Any, cause: Any, change: Any) -> Any:
    """The view with what was changed last."""
    if not isinstance(merged, dict):
        return None
    if cause == "range":
        return {**merged, "since": None, "until": None}
    if cause == "change":
        return {**merged, **change} if isinstance(change, dict) else None
    return merged


def _shown(control: Control, now: View) -> Any:
    """What a control shows of a view."""
    if control.identity == "range" and now.since is not None:
        return ""
    return control.shown(now.as_json()[control.field])


def _checked(shown: Any) -> View:
    try:
        return view.from_json(shown)
    except ValueError as error:
        log.debug("a request with a wrong view: %s", error)
        abort(400, "This is no view of the page.")


def _draw(app: Dash) -> None:
    draw = drawing(app, "frame")
    draw(
        "follow",
        Output("theme", "forceColorScheme"),
        Output("tick", "interval"),
        Output("tick", "max_intervals"),
        Input("view", "data"),
        State("served", "data"),
    )
    draw(
        "places",
        Output({"type": "place", "of": ALL}, "href"),
        Input("common", "data"),
        State({"type": "place", "of": ALL}, "id"),
    )
    draw(
        "hurry",
        Output("changed", "data", allow_duplicate=True),
        Input("snapshot", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    draw(
        "refresh",
        Output("changed", "data", allow_duplicate=True),
        Input("refresh-now", "n_clicks"),
        prevent_initial_call=True,
    )
    draw(
        "state",
        Output("panels", "className"),
        Output("banner", "children"),
        Output("status", "children"),
        Input("clock", "n_intervals"),
        Input("snapshot", "data"),
        Input("link", "data"),
        Input("view", "data"),
        State("tick", "interval"),
    )

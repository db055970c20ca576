"""Components that panels of several pages have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from pipeline.pages.page import aria


def panel(
    identity: str,
    title: str,
    children: Sequence[Any],
    *,
    about: str = "",
    actions: Sequence[Component] = (),
    name: str = "panel",
) -> Component:
    """A panel: its title (whose id is `<identity>-title`), what it is about on demand, actions at the right, contents.

    It has the id `<identity>-panel` and the class `name`.
    """
    return html.Section(
        id=f"{identity}-panel",
        className=name,
        **aria(labelledby=f"{identity}-title"),
        children=[
            html.Div(
                className="panel-head",
                children=[
                    html.H2(title, id=f"{identity}-title"),
                    *([hint(title, about)] if about else []),
                    html.Div(className="actions", children=list(actions)),
                ],
            ),
            *children,
        ],
    )


def hint(subject: str, text: str) -> Component:
    """A question mark that tells more when it is clicked, or chosen by key."""
    shown: Component = dmc.Popover(
        width=320,
        position="bottom-start",
        # They would stand on a div around the button, which may not have them.
        withRoles=False,
        shadow="md",
        children=[
            dmc.PopoverTarget(html.Button("?", type="button", className="hint", **aria(label=f"About: {subject}"))),
            dmc.PopoverDropdown(html.P(text, className="hint-text")),
        ],
    )
    return shown


def action(identity: Any, label: str, about: str) -> Component:
    """A small button of a panel's head, such as "CSV"; `about` says in full what it does."""
    return html.Button(label, id=identity, type="button", className="action", title=about, **aria(label=about))


def waiting() -> Component:
    """What holds a place until the first snapshot is there."""
    return html.Div(className="card waiting", **aria(hidden="true"))

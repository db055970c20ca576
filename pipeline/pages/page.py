"""What a page is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dash import ClientsideFunction, Dash
from dash.development.base_component import Component

from pipeline.snapshots import Maker, Snapshots, Sources
from pipeline.store import Store


def drawing(app: Dash, script: str) -> Callable[..., None]:
    """What is called with a function's name in that script of `assets`, and the outputs that it makes of inputs."""

    def draw(name: str, *parts: Any, **more: Any) -> None:
        app.clientside_callback(ClientsideFunction(script, name), *parts, **more)

    return draw


@dataclass(frozen=True)
class Context:
    """What the callbacks of the pages work with.

    `refresh` is the seconds between two ticks; `user` tells who is logged in, None where nobody needs to be.
    """

    store: Store
    snapshots: Snapshots
    refresh: float
    user: Callable[[], str | None]


@dataclass(frozen=True)
class Control:
    """A component whose property stands for a field of the view.

    `inverted` ones say the opposite. Where the field is one of `known` numbers, the property is its text.
    """

    identity: str
    prop: str
    field: str
    inverted: bool = False
    known: tuple[Any, ...] = ()

    def shown(self, value: Any) -> Any:
        """The property for a field's value."""
        if self.known:
            return str(value)
        return not value if self.inverted else value

    def told(self, value: Any) -> Any:
        """The field's value for the property, which may be anything."""
        if self.known:
            return next((one for one in self.known if str(one) == value), value)
        return not value if self.inverted and isinstance(value, bool) else value


@dataclass(frozen=True)
class Page:
    """A page under a path of its own ("/", "/alarms/"), with its panels, callbacks and controls.

    `snapshot` is called once and gives what makes the page's documents, which the browser finds in the store
    "snapshot"; `fields` are the fields of the view that matter to these. `title` stands in the navigation as well.
    """

    path: str
    title: str
    panels: Callable[[Context], list[Component]]
    register: Callable[[Dash, Context], None]
    snapshot: Callable[[Sources], Maker]
    fields: tuple[str, ...]
    controls: tuple[Control, ...] = ()


def aria(**attributes: str) -> dict[str, Any]:
    """Attributes for assistive technology: `label="Filters"` is aria-label."""
    return {f"aria-{name}": value for name, value in attributes.items()}

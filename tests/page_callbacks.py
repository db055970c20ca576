"""The callbacks of every page, as a browser learns of them from the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.view import View

TICK = "..snapshot.data...link.data.."
Ask = Callable[[str], Any]


@dataclass(frozen=True, eq=False)
class Callback:
    """A callback under a path; `known` has the values that the layout gives to components and properties."""

    path: str
    about: Mapping[str, Any]
    known: Mapping[tuple[str, str], Any]

    @property
    def is_the_browsers(self) -> bool:
        return bool(self.about["clientside_function"])

    @property
    def is_tick(self) -> bool:
        return bool(self.about["output"] == TICK)

    def body(self, view: View | None = None) -> dict[str, Any]:
        """What the page would send; without a view, what it begins with."""
        view = view or View()
        output = self.about["output"]
        several = output.startswith("..") or self.about["no_output"]
        names = [] if self.about["no_output"] else output.strip(".").split("...") if several else [output]
        outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
        given = {
            part: [{**one, "value": self._value(one["id"], one["property"], view)} for one in self.about[part]]
            for part in ("inputs", "state")
        }
        changed = [f"{one['id']}.{one['property']}" for one in self.about["inputs"][:1]]
        return {"output": output, "outputs": outputs if several else outputs[0], **given, "changedPropIds": changed}

    def _value(self, identity: str, prop: str, view: View) -> Any:
        return view.as_json() if (identity, prop) == ("view", "data") else self.known.get((identity, prop))


def of_page(path: str, ask: Ask) -> list[Callback]:
    """The callbacks of the page under a path; `ask` gives the JSON that is answered under another."""
    known = {
        (one["id"], prop): value
        for one in _components(ask(f"{path}_dash-layout"))
        for prop, value in one.items()
        if isinstance(one["id"], str)
    }
    about = ask(f"{path}_dash-dependencies")
    return [Callback(f"{path}_dash-update-component", one, known) for one in about]


def _components(part: Any) -> Iterator[dict[str, Any]]:
    """The properties of every component of a layout that has an id."""
    if isinstance(part, dict):
        if "id" in part:
            yield part
        for value in part.values():
            yield from _components(value)
    elif isinstance(part, list):
        for value in part:
            yield from _components(value)

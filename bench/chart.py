"""The chart of bench/growth_sizes.py as an SVG: costs relative to that of the smallest size, on logarithmic axes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import plotly.graph_objects as go
from browsing import launch_options
from playwright.sync_api import sync_playwright
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

WIDTH, HEIGHT = 1200, 520
# Told apart by who sees no colours, or not all of them: Okabe and Ito's palette, and dashes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LINEAR = "#999999"

DRAW = """async (figure) => {
  const place = document.body.appendChild(document.createElement("div"));
  await Plotly.newPlot(place, figure.data, figure.layout);
  return Plotly.toImage(place, { format: "svg", width: figure.layout.width, height: figure.layout.height });
}"""


def svg(panels: Sequence[Mapping[str, Any]]) -> str:
    """The panels that growth.json keeps, side by side."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        page.add_script_tag(content=get_plotlyjs())
        address: str = page.evaluate(DRAW, json.loads(figure(panels).to_json()))
        browser.close()
    return _named_alike(unquote(address.partition(",")[2])) + "\n"


def _named_alike(drawing: str) -> str:
    """The SVG with the same names of its parts each time: Plotly makes them by chance."""
    [chance] = set(re.findall(r'id="defs-(\w+)"', drawing))
    return re.sub(r"\btrace[0-9a-f]{6}\b", "trace", drawing.replace(chance, "-growth-"))


def figure(panels: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The same as a figure of Plotly."""
    drawn = make_subplots(1, len(panels), horizontal_spacing=0.06)
    for column, panel in enumerate(panels, 1):
        legend = f"legend{column}"
        sizes = panel["series"][0]["sizes"]
        drawn.add_scatter(
            x=[sizes[0], sizes[-1]],
            y=[1, sizes[-1] / sizes[0]],
            mode="lines",
            name="linear",
            legend=legend,
            line={"color": LINEAR, "width": 1},
            row=1,
            col=column,
        )
        for series, colour, dash in zip(panel["series"], COLOURS, DASHES, strict=False):
            first = series["costs"][0]
            drawn.add_scatter(
                x=sizes,
                y=[cost / first for cost in series["costs"]],
                mode="lines+markers",
                legend=legend,
                name=f"{series['name']}, {series['unit']}",
                line={"color": colour, "dash": dash},
                row=1,
                col=column,
            )
        drawn.update_xaxes(type="log", tickvals=sizes, title=panel["title"], row=1, col=column)
        drawn.update_yaxes(type="log", dtick=1, range=[-0.3, 2.4], row=1, col=column)
        left = (column - 1) / len(panels)
        place = {"x": left, "y": -0.22, "xanchor": "left", "yanchor": "top", "font": {"size": 11}}
        drawn.update_layout({legend: place})
    drawn.update_yaxes(title="cost, that of the smallest size being 1", row=1, col=1)
    return drawn.update_layout(
        template="plotly_white", width=WIDTH, height=HEIGHT, margin={"l": 60, "r": 20, "t": 20, "b": 220}
    )

"""Records in, Plotly figures out, as plain dicts: what they hold is what plotly.js reads.

https://plotly.com/javascript/reference/ describes the fields. Instants are milliseconds since 1970; the page turns
them into the browser's local time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.catalog import Catalog

Figure = dict[str, Any]
Record = Mapping[str, Any]

# A colour of the theme's text at little strength, for lines that shall not be seen before the data.
_THEMES = {
    "light": {
        "text": "#52606d",
        "grid": "#e4e7eb",
        "line": "#1f63d0",
        "band": "rgba(31,99,208,0.16)",
        "normal": "#0b7a43",
    },
    "dark": {
        "text": "#a9b4c0",
        "grid": "#2c343d",
        "line": "#6ea8fe",
        "band": "rgba(110,168,254,0.20)",
        "normal": "#4cc38a",
    },
}
_DIGITS = 5
# By the milliseconds between two marks of the time axis.
_TICK_FORMATS = [
    {"dtickrange": [None, 59_999], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, 43_199_999], "value": "%H:%M"},
    {"dtickrange": [43_200_000, None], "value": "%d %b"},
]
# As in page.css.
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif'


def templates() -> dict[str, Figure]:
    """The look of all charts by theme ("light", "dark"), merged into a figure where it is drawn."""
    return {name: _template(colours) for name, colours in _THEMES.items()}


def _template(colours: Mapping[str, str]) -> Figure:
    axis = {
        "gridcolor": colours["grid"],
        "linecolor": colours["grid"],
        "zeroline": False,
        "tickfont": {"size": 11},
        "automargin": True,
    }
    return {
        # The first trace of a chart is its band, the second its line.
        "data": {
            "scatter": [
                {"fillcolor": colours["band"], "line": {"width": 0, "color": colours["band"]}},
                {"line": {"width": 2, "color": colours["line"]}, "marker": {"color": colours["line"], "size": 5}},
            ]
        },
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours["text"], "activecolor": colours["line"]},
            "font": {"family": FONT, "color": colours["text"]},
            "xaxis": {**axis, "showgrid": False},
            "yaxis": {**axis, "nticks": 5},
            "shapedefaults": {
                "fillcolor": colours["normal"],
                "opacity": 0.07,
                "layer": "below",
                "line": {"width": 0},
            },
        },
    }


def charts(
    points: Sequence[Record], catalog: Catalog, since: datetime, until: datetime, bin_seconds: float
) -> dict[str, Figure]:
    """A figure for each sensor type that has points, by its name; the catalog's types come first, in its order.

    A point has sensor_type, at (datetime), avg, min, max, count and window_seconds.
    """
    by_type: dict[str, list[Record]] = {}
    for point in points:
        by_type.setdefault(point["sensor_type"], []).append(point)
    known = [name for name in catalog.types if name in by_type]
    names = known + sorted(set(by_type) - set(known))
    return {name: chart(name, by_type[name], catalog, since, until, bin_seconds) for name in names}


def chart(
    name: str, points: Sequence[Record], catalog: Catalog, since: datetime, until: datetime, bin_seconds: float
) -> Figure:
    """Mean over time with the band from minimum to maximum, and the type's normal range behind it.

    The line and the band have a gap where windows are missing.
    """
    parts = _unbroken(sorted(points, key=lambda point: point["at"]), bin_seconds)
    kind = catalog.types.get(name)
    unit = catalog.unit(name) or ""
    band_x: list[int | None] = []
    band_y: list[float | None] = []
    line_x: list[int | None] = []
    line_y: list[float | None] = []
    custom: list[list[float | None] | None] = []
    for part in parts:
        if line_x:
            for column in (band_x, band_y, line_x, line_y, custom):
                column.append(None)
        times = [milliseconds(point["at"]) for point in part]
        band_x += times + times[::-1]
        band_y += [_short(point["max"]) for point in part] + [_short(point["min"]) for point in reversed(part)]
        line_x += times
        line_y += [_short(point["avg"]) for point in part]
        custom += [[_short(point["min"]), _short(point["max"]), point["count"]] for point in part]
    alone = any(len(part) == 1 for part in parts)
    return {
        "data": [
            {
                "type": "scatter",
                "x": band_x,
                "y": band_y,
                "mode": "lines",
                "fill": "toself",
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "x": line_x,
                "y": line_y,
                "customdata": custom,
                # A point that stands alone has no line to be seen by.
                "mode": "lines+markers" if alone else "lines",
                "connectgaps": False,
                "hovertemplate": f"%{{y}} {unit}<br>%{{customdata[0]}} … %{{customdata[1]}}"
                "<br>%{customdata[2]:,} readings<extra></extra>",
            },
        ],
        "layout": {
            "showlegend": False,
            "hovermode": "x",
            "dragmode": "zoom",
            "margin": {"l": 8, "r": 8, "t": 6, "b": 4},
            "xaxis": {
                "type": "date",
                "autorange": False,
                "range": [milliseconds(since), milliseconds(until)],
                "nticks": 5,
                "tickformatstops": _TICK_FORMATS,
                "hoverformat": "%d %b %H:%M:%S",
            },
            # A zoom is one in time; the values follow.
            "yaxis": {"autorange": True, "fixedrange": True},
            "shapes": _normal_range(kind.normal_minimum, kind.normal_maximum) if kind else [],
        },
    }


def _normal_range(low: float, high: float) -> list[dict[str, Any]]:
    return [{"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": low, "y1": high}]


def _unbroken(points: Sequence[Record], bin_seconds: float) -> list[list[Record]]:
    """The points in parts that no missing window interrupts."""
    parts: list[list[Record]] = []
    before = None
    for point in points:
        # Windows may be longer than a bin.
        step = max(bin_seconds, point["window_seconds"])
        if before is None or (point["at"] - before).total_seconds() > 1.5 * step:
            parts.append([])
        parts[-1].append(point)
        before = point["at"]
    return parts


def milliseconds(moment: datetime) -> int:
    """An instant in milliseconds since 1970."""
    return round(1000 * moment.timestamp())


def _short(value: float) -> float | None:
    """A number with as many digits as a chart can show; None, a gap, for what is no finite number."""
    if not math.isfinite(value):
        return None
    if value == 0:
        return 0.0
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))

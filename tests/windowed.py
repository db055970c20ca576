"""The windows of readings as pandas computes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd


def windows_of(readings: pd.DataFrame, *, seconds: float = 10, slide: float | None = None) -> list[dict[str, Any]]:
    """The windows that readings (timestamp, sensor_type, location, value) make."""
    length, step = timedelta(seconds=seconds), timedelta(seconds=slide or seconds)
    frame = readings.assign(location=readings["location"].fillna("unknown"))
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
    parts = []
    for back in range(-(-length // step)):
        part = frame.assign(window_start=frame["timestamp"].dt.floor(step) - back * step)
        parts.append(part[part["timestamp"] < part["window_start"] + length])
    found = (
        pd.concat(parts)
        .groupby(["window_start", "sensor_type", "location"])["value"]
        .agg(["count", "mean", "min", "max", "std"])
        .reset_index()
        .rename(columns={"mean": "avg"})
        .fillna({"std": 0.0})
    )
    starts = [start.to_pydatetime() for start in found.pop("window_start")]
    rows = [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]
    return [
        {"window_start": start, "window_end": start + length, **row} for start, row in zip(starts, rows, strict=True)
    ]

"""What a sensor's last reading tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.figures import milliseconds


def last_reading(known: Mapping[str, Any]) -> dict[str, Any]:
    """type, location, unit, value, last (its instant, milliseconds since 1970), model and battery."""
    metadata = known.get("metadata") or {}
    return {
        "type": known["sensor_type"],
        "location": known.get("location"),
        "unit": known.get("unit") or "",
        "value": finite(known["value"]),
        "last": milliseconds(known["timestamp"]),
        "model": metadata.get("sensor_model"),
        "battery": metadata.get("battery_level"),
    }


def finite(value: float) -> float | None:
    """The number, or None for what JSON has no word for."""
    return value if math.isfinite(value) else None

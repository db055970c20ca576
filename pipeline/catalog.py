"""The sensor types (unit, range, normal range) and the locations; a TOML file can add or replace types."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.console import UsageError, safe_text

LOCATIONS = (
    "factory-floor-a1",
    "factory-floor-a2",
    "factory-floor-b1",
    "warehouse-north",
    "warehouse-south",
    "warehouse-east",
    "office-main",
    "office-server-room",
    "office-lab",
    "outdoor-gate",
    "outdoor-roof",
    "outdoor-parking",
)
NAME_LIMIT = 64
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class SensorType:
    """A kind of sensor.

    `minimum`…`maximum` is what the sensor can measure, `normal_minimum`…`normal_maximum` what it usually does; both
    in `unit`. `integer` types measure whole numbers; `daily` ones follow the hour of the day.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    normal_minimum: float
    normal_maximum: float
    integer: bool = False
    daily: bool = False


def _builtin() -> dict[str, SensorType]:
    types = (
        SensorType("temperature", "°C", -20, 50, 15, 25, daily=True),
        SensorType("humidity", "%", 0, 100, 40, 60),
        SensorType("pressure", "hPa", 950, 1050, 1000, 1020),
        SensorType("vibration", "g", 0, 10, 0.1, 1.0),
        SensorType("voltage", "V", 200, 250, 220, 230),
        SensorType("current", "A", 0, 20, 1, 5),
        SensorType("co2", "ppm", 300, 5000, 400, 800),
        SensorType("light", "lx", 0, 2000, 200, 700),
        SensorType("noise", "dB", 20, 130, 30, 60),
        SensorType("motion", "count", 0, 1, 0, 1, integer=True),
    )
    return {one.name: one for one in types}


DEFAULT_TYPES = ("temperature", "humidity", "pressure", "vibration", "voltage", "current")


@dataclass(frozen=True)
class Catalog:
    """The known sensor types by name, the types of a default fleet, and the locations."""

    types: Mapping[str, SensorType] = field(default_factory=_builtin)
    fleet_types: tuple[str, ...] = DEFAULT_TYPES
    locations: tuple[str, ...] = LOCATIONS

    def unit(self, sensor_type: str) -> str | None:
        """The unit of a type, or None for an unknown one."""
        known = self.types.get(sensor_type)
        return known.unit if known else None


def load(path: Path | None) -> Catalog:
    """The built-in catalog, with the types and locations of a TOML file added; raises UsageError with what is wrong.

    The file has a table `[types.NAME]` for each type: `unit`, `range = [min, max]`, `normal = [min, max]`, and the
    optional `integer` and `daily`. A top-level `locations = […]` replaces the locations, `fleet_types = […]` the
    types of a default fleet.
    """
    if path is None:
        return Catalog()
    document = read_toml(path)
    only_known(document, {"types", "locations", "fleet_types"}, str(path))
    tables = document.get("types", {})
    if not isinstance(tables, dict):
        raise UsageError(f"{path}: types must be tables, such as [types.soil_moisture]")
    types = _builtin()
    for name, table in tables.items():
        types[name] = _sensor_type(name, table, f"{path}: [types.{safe_text(name, NAME_LIMIT)}]")
    locations = tuple(strings(document.get("locations", list(LOCATIONS)), f"{path}: locations"))
    chosen = tuple(strings(document.get("fleet_types", [*DEFAULT_TYPES, *tables]), f"{path}: fleet_types"))
    for name in chosen:
        if name not in types:
            raise UsageError(f"{path}: fleet_types names '{name}', which is no known type: {', '.join(sorted(types))}")
    return Catalog(types, tuple(dict.fromkeys(chosen)), locations)


def _sensor_type(name: str, table: Any, where: str) -> SensorType:
    if not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise UsageError(f"{where}: a type's name has 1 to {NAME_LIMIT} printable characters")
    if not isinstance(table, dict):
        raise UsageError(f"{where}: must be a table with unit, range and normal")
    only_known(table, {"unit", "range", "normal", "integer", "daily"}, where)
    for key in ("unit", "range", "normal"):
        if key not in table:
            raise UsageError(f"{where}: {key} is missing")
    for key in ("integer", "daily"):
        if not isinstance(table.get(key, False), bool):
            raise UsageError(f"{where}: {key} must be true or false")
    unit = strings([table["unit"]], f"{where}: unit")[0]
    low, high = _pair(table["range"], f"{where}: range")
    normal_low, normal_high = _pair(table["normal"], f"{where}: normal")
    if normal_low < low or normal_high > high:
        raise UsageError(f"{where}: normal {table['normal']} does not lie within range {table['range']}")
    return SensorType(
        name, unit, low, high, normal_low, normal_high, table.get("integer", False), table.get("daily", False)
    )


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content; raises UsageError with the line of a mistake."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from None


def strings(value: Any, where: str) -> list[str]:
    """A non-empty list of short printable strings; raises UsageError."""
    if not isinstance(value, list) or not value:
        raise UsageError(f"{where}: must be a list of one or more strings")
    for item in value:
        if not isinstance(item, str) or not 1 <= len(item) <= NAME_LIMIT or not item.isprintable():
            shown = safe_text(repr(item), NAME_LIMIT)
            raise UsageError(f"{where}: {shown} is no string of 1 to {NAME_LIMIT} printable characters")
    return value


def _pair(value: Any, where: str) -> tuple[float, float]:
    numbers = isinstance(value, list) and all(isinstance(n, int | float) and not isinstance(n, bool) for n in value)
    if not numbers or len(value) != 2 or not -_LARGEST <= value[0] <= value[1] <= _LARGEST:
        raise UsageError(f"{where}: must be [minimum, maximum], two numbers in this order")
    return float(value[0]), float(value[1])


def only_known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    """Raise UsageError for a key that nobody reads: most likely it is misspelt."""
    for key in table:
        if key not in known:
            raise UsageError(
                f"{where}: does not know '{safe_text(key, NAME_LIMIT)}'; known are {', '.join(sorted(known))}"
            )

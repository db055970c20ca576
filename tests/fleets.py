"""Fleets for tests."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from pipeline.catalog import Catalog
from pipeline.faults import FaultRates
from pipeline.fleet import Fleet, Group, Readings
from pipeline.schedule import Pace, Schedule, Stage

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def simulated_fleet(
    sensors: int = 60,
    rate: float = 1000.0,
    *,
    types: tuple[str, ...] | None = None,
    anomaly_rate: float = 0.05,
    seed: int = 1,
    day_start: float = 12.0,
    faults: FaultRates | None = None,
    catalog: Catalog | None = None,
) -> Fleet:
    """Sensors of the catalog's types and places that take turns, `rate` readings a second in all."""
    catalog = catalog or Catalog()
    group = Group(sensors, types or catalog.fleet_types, catalog.locations, anomaly_rate=anomaly_rate)
    schedule = Schedule(np.arange(sensors) / rate, np.full(sensors, sensors / rate), Pace([Stage(0, rate)]))
    return Fleet((group,), schedule, catalog, seed, day_start, faults or FaultRates())


def take(fleet: Fleet, count: int) -> Readings:
    """The first `count` readings."""
    parts, total = [], 0
    for block in fleet.readings():
        parts.append(block)
        total += len(block)
        if total >= count:
            break
    fields = Readings.__dataclass_fields__
    return Readings(**{name: np.concatenate([getattr(part, name) for part in parts])[:count] for name in fields})

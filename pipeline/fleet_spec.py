"""Fleets from options and from TOML files: what a user wrote, checked, as a `Fleet`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import distributions
from pipeline.catalog import Catalog, only_known, read_toml, strings
from pipeline.console import UsageError
from pipeline.faults import FaultRates
from pipeline.fleet import Fleet, Group
from pipeline.schedule import Pace, Schedule, stages

LARGEST_FLEET = 1_000_000
SHORTEST_DELAY, LONGEST_DELAY = 0.0001, 86_400.0

FLEET_FORM = ("sensors", "rate", "anomaly_rate")
CLASSIC_FORM = ("num_sensors", "delays", "sensors_values_mean", "sensors_values_std", "distribution", "sensor_types")


def from_settings(settings: argparse.Namespace, catalog: Catalog, seed: int, start: datetime) -> Fleet:
    """The fleet that the options describe; raises UsageError when they do not fit together."""
    rates = FaultRates(
        settings.late_rate, settings.duplicate_rate, settings.malformed_rate, settings.drop_rate, settings.late_by
    )
    if rates.late + rates.duplicate + rates.malformed + rates.dropped > 1:
        raise UsageError("the late, duplicate, malformed and drop rates come to more than 1 together; lower them")
    if settings.fleet is not None:
        _refuse(settings, (*FLEET_FORM, *CLASSIC_FORM), "--fleet describes the whole fleet")
        groups, schedule = _file(settings.fleet, catalog)
    elif settings.sensors_values_mean is not None:
        _refuse(settings, FLEET_FORM, "--sensors-values-mean chooses the classic form")
        groups, schedule = _classic(settings, catalog)
    else:
        _refuse(settings, CLASSIC_FORM, "the classic form needs --sensors-values-mean")
        groups, schedule = _uniform(settings, catalog)
    # The seed alone must give the same values: without a given start, the day begins with the run.
    given = settings.given
    follows_clock = "start" in given or "seed" not in given
    day_start = start.hour + start.minute / 60 + start.second / 3600 if follows_clock else 0.0
    return Fleet(groups, schedule, catalog, seed, day_start, rates)


def _refuse(settings: argparse.Namespace, names: Sequence[str], reason: str) -> None:
    # A variable of the environment serves whichever form is chosen; only what stands beside it contradicts it.
    wrong = [settings.given[name] for name in names if settings.given.get(name, "").startswith("--")]
    if wrong:
        raise UsageError(f"{', '.join(wrong)} cannot be used here: {reason}; leave out one or the other")


def _uniform(settings: argparse.Namespace, catalog: Catalog) -> tuple[tuple[Group, ...], Schedule]:
    try:
        steps = stages(settings.rate)
    except ValueError as error:
        raise UsageError(f"--rate: {error}") from None
    size, rate = settings.sensors, steps[0].rate
    group = Group(size, catalog.fleet_types, catalog.locations, anomaly_rate=settings.anomaly_rate)
    # One after the other, evenly: sensor i at i/rate, then every size/rate seconds.
    schedule = Schedule(np.arange(size) / rate, np.full(size, size / rate), Pace(steps))
    return (group,), schedule


def _classic(settings: argparse.Namespace, catalog: Catalog) -> tuple[tuple[Group, ...], Schedule]:
    size = settings.num_sensors
    names = _one_each(settings.distribution, size, "--distribution")
    means = _one_each(settings.sensors_values_mean, size, "--sensors-values-mean")
    default_stds = [0.0 if name == "constant" else 1.0 for name in names]
    stds = _one_each(settings.sensors_values_std or default_stds, size, "--sensors-values-std")
    delays = _one_each(settings.delays, size, "--delays")
    for name, mean, std in set(zip(names, means, stds, strict=True)):
        wrong = distributions.problem(name, mean, std)
        if wrong:
            raise UsageError(f"--distribution {name}: {wrong}")
    types = tuple(dict.fromkeys(settings.sensor_types))
    group = Group(size, types, catalog.locations, True, tuple(names), tuple(means), tuple(stds))
    return (group,), Schedule(np.zeros(size), np.array(delays))


def _one_each(values: list[Any], size: int, flag: str) -> list[Any]:
    if len(values) not in (1, size):
        raise UsageError(
            f"{flag} has {len(values)} values for {size} sensor{'s' if size > 1 else ''}; "
            f"give one for all{f' or {size}, one each' if size > 1 else ''}"
        )
    return values * size if len(values) == 1 else values


@dataclass(frozen=True)
class _Timing:
    delay: float
    size: int


_GROUP_KEYS = {
    "sensors",
    "type",
    "types",
    "location",
    "locations",
    "distribution",
    "mean",
    "std",
    "delay",
    "rate",
    "anomaly_rate",
}


def _file(path: Path, catalog: Catalog) -> tuple[tuple[Group, ...], Schedule]:
    document = read_toml(path)
    only_known(document, {"group"}, str(path))
    tables = document.get("group")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: has no groups; begin one with a line [[group]]")
    groups, timings = [], []
    for number, table in enumerate(tables, start=1):
        group, timing = _group(table, catalog, f"{path}: group {number}")
        groups.append(group)
        timings.append(timing)
    if sum(timing.size for timing in timings) > LARGEST_FLEET:
        raise UsageError(f"{path}: has more than {LARGEST_FLEET:,} sensors; describe fewer")
    # Within a group the sensors take turns, so that its messages come evenly.
    phase = np.concatenate([np.arange(one.size) * one.delay / one.size for one in timings])
    period = np.concatenate([np.full(one.size, one.delay) for one in timings])
    return tuple(groups), Schedule(phase, period)


def _group(table: dict[str, Any], catalog: Catalog, where: str) -> tuple[Group, _Timing]:
    only_known(table, _GROUP_KEYS, where)
    size = table.get("sensors")
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST_FLEET:
        raise UsageError(f"{where}: sensors must be a whole number from 1 to {LARGEST_FLEET}")
    types = tuple(_one_or_list(table, "type", "types", list(catalog.fleet_types), where))
    places = tuple(_one_or_list(table, "location", "locations", list(catalog.locations), where))
    if ("delay" in table) == ("rate" in table):
        raise UsageError(f"{where}: needs either delay (seconds) or rate (messages a second over the group)")
    if "delay" in table:
        delay = _number(table, "delay", where)
    else:
        rate = _number(table, "rate", where)
        if rate <= 0:
            raise UsageError(f"{where}: rate must be more than 0, not {rate:g}")
        delay = size / rate
    if not SHORTEST_DELAY <= delay <= LONGEST_DELAY:
        raise UsageError(f"{where}: a sensor's delay must lie between {SHORTEST_DELAY:g} and {LONGEST_DELAY:g} seconds")
    if "distribution" in table:
        return _distributed(table, size, types, places, where), _Timing(delay, size)
    return _simulated(table, size, types, places, catalog, where), _Timing(delay, size)


def _distributed(
    table: dict[str, Any], size: int, types: tuple[str, ...], places: tuple[str, ...], where: str
) -> Group:
    name = table["distribution"]
    if name not in distributions.NAMES:
        raise UsageError(f"{where}: distribution must be one of {', '.join(distributions.NAMES)}")
    if "anomaly_rate" in table:
        raise UsageError(f"{where}: anomaly_rate is for groups without a distribution; leave out one of them")
    mean = _number(table, "mean", where)
    std = _number(table, "std", where, 0.0 if name == "constant" else 1.0)
    wrong = distributions.problem(name, mean, std)
    if wrong:
        raise UsageError(f"{where}: {wrong}")
    return Group(size, types, places, False, (name,) * size, (mean,) * size, (std,) * size)


def _simulated(
    table: dict[str, Any], size: int, types: tuple[str, ...], places: tuple[str, ...], catalog: Catalog, where: str
) -> Group:
    for key in ("mean", "std"):
        if key in table:
            raise UsageError(f'{where}: {key} needs a distribution; add one, such as distribution = "normal"')
    for name in types:
        if name not in catalog.types:
            known = ", ".join(sorted(catalog.types))
            raise UsageError(f"{where}: '{name}' is no known type; give a distribution, or one of {known}")
    anomaly_rate = _number(table, "anomaly_rate", where, 0.05)
    if not 0 <= anomaly_rate <= 1:
        raise UsageError(f"{where}: anomaly_rate must lie between 0 and 1")
    return Group(size, types, places, anomaly_rate=anomaly_rate)


def _one_or_list(table: dict[str, Any], one: str, many: str, default: list[str], where: str) -> list[str]:
    if one in table and many in table:
        raise UsageError(f"{where}: give {one} or {many}, not both")
    if one in table:
        return strings([table[one]], f"{where}: {one}")
    return strings(table.get(many, default), f"{where}: {many}")


def _number(table: dict[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = table.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
        raise UsageError(f"{where}: {key} must be a number")
    return float(value)

"""The simulated sensors: ranges, shares, the day, and what a seed promises."""

import dataclasses

import numpy as np
import pytest
from fleets import simulated_fleet, take
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog import Catalog, SensorType
from pipeline.faults import Fault, FaultRates
from pipeline.fleet import Fleet, Group
from pipeline.schedule import Pace, Schedule

ALL_TYPES = tuple(Catalog().types)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    anomaly_rate=st.floats(0, 1),
    types=st.lists(st.sampled_from(ALL_TYPES), min_size=1, max_size=6, unique=True),
    day_start=st.floats(0, 24),
)
def test_normal_values_stay_normal_and_anomalies_lie_in_the_outer_half_of_the_gap(seed, anomaly_rate, types, day_start):
    fleet = simulated_fleet(types=tuple(types), anomaly_rate=anomaly_rate, seed=seed, day_start=day_start)
    readings = take(fleet, 3000)
    for index, name in enumerate(fleet.types):
        kind = fleet.catalog.types[name]
        normal = readings.value[(readings.type == index) & ~readings.anomaly]
        assert (normal >= kind.normal_minimum).all()
        assert (normal <= kind.normal_maximum).all()
        strange = readings.value[(readings.type == index) & readings.anomaly]
        high, low = strange[strange > kind.normal_maximum], strange[strange < kind.normal_minimum]
        assert len(high) + len(low) == len(strange)
        assert (high >= kind.normal_maximum + (kind.maximum - kind.normal_maximum) / 2 - 1e-9).all()
        assert (high <= kind.maximum).all()
        assert (low <= kind.normal_minimum - (kind.normal_minimum - kind.minimum) / 2 + 1e-9).all()
        assert (low >= kind.minimum).all()


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.29, 1.0])
def test_the_share_of_anomalies_is_exact(rate):
    readings = take(simulated_fleet(anomaly_rate=rate), 50_000)
    whole_blocks = len(readings) // 2000 * 2000
    assert abs(readings.anomaly[:whole_blocks].sum() - whole_blocks * rate) <= 1


def test_a_type_without_a_gap_has_no_anomalies_and_the_others_keep_their_share():
    fleet = simulated_fleet(types=("motion", "humidity"), anomaly_rate=0.1)
    readings = take(fleet, 20_000)
    motion = readings.type == fleet.types.index("motion")
    assert not readings.anomaly[motion].any()
    assert abs(readings.anomaly[~motion].sum() - 1000) <= 1
    assert set(np.unique(readings.value[motion])) == {0.0, 1.0}


def test_a_side_without_a_gap_is_not_used():
    one_sided = SensorType("level", "m", 0, 10, 0, 4)
    catalog = Catalog(types={"level": one_sided}, fleet_types=("level",))
    readings = take(simulated_fleet(anomaly_rate=0.5, catalog=catalog), 4000)
    assert (readings.value[readings.anomaly] >= 7).all()


def test_values_have_two_decimals():
    readings = take(simulated_fleet(types=ALL_TYPES), 20_000)
    np.testing.assert_allclose(readings.value, np.round(readings.value, 2), atol=1e-12)


def test_temperature_is_warmest_in_the_afternoon_and_coldest_before_dawn():
    by_hour = [
        take(simulated_fleet(types=("temperature",), anomaly_rate=0, day_start=hour), 2000).value.mean()
        for hour in range(24)
    ]
    assert int(np.argmax(by_hour)) == 15
    assert int(np.argmin(by_hour)) == 3
    assert by_hour[15] - by_hour[3] > 4


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**63), other=st.integers(0, 2**63))
def test_a_seed_gives_the_same_readings_again_and_another_seed_others(seed, other):
    first, again = take(simulated_fleet(seed=seed), 2500), take(simulated_fleet(seed=seed), 2500)
    for name in first.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    if other != seed:
        assert (take(simulated_fleet(seed=other), 2500).value != first.value).any()


@settings(max_examples=30, deadline=None)
@given(
    shares=st.tuples(*[st.floats(0, 0.25)] * 4),
    seed=st.integers(0, 2**32),
)
def test_faults_have_exact_shares_and_change_no_value(shares, seed):
    rates = FaultRates(*shares)
    clean, faulty = take(simulated_fleet(seed=seed), 6000), take(simulated_fleet(seed=seed, faults=rates), 6000)
    np.testing.assert_array_equal(clean.value, faulty.value)
    np.testing.assert_array_equal(clean.anomaly, faulty.anomaly)
    for kind, share in zip((Fault.LATE, Fault.DUPLICATE, Fault.MALFORMED, Fault.DROPPED), shares, strict=True):
        assert abs((faulty.fault == kind).sum() - 6000 * share) <= 1.01


def test_names_are_padded_to_the_digits_of_the_fleets_size():
    assert simulated_fleet(2).names() == ["sensor_0", "sensor_1"]
    assert simulated_fleet(1000).names()[42] == "sensor_0042"


def test_type_and_location_belong_to_the_sensor_and_every_type_is_everywhere():
    fleet = simulated_fleet(720)
    readings = take(fleet, 3000)
    places = fleet.locations()
    for number in range(720):
        assert len(set(readings.type[readings.sensor == number])) == 1
    pairs = {(fleet.types[t], places[s]) for t, s in zip(readings.type, readings.sensor, strict=True)}
    assert len(pairs) == len(fleet.types) * len(fleet.catalog.locations)


def test_the_classic_form_draws_a_type_for_each_message_and_keeps_each_sensors_moments():
    group = Group(
        2, ("temperature", "humidity", "pressure"), ("office-lab",), True, ("normal", "gamma"), (2.0, 10.0), (2.0, 3.0)
    )
    fleet = Fleet((group,), Schedule(np.zeros(2), np.full(2, 0.1), Pace()), Catalog(), 5)
    readings = take(fleet, 40_000)
    counts = np.bincount(readings.type)
    assert (abs(counts - 40_000 / 3) < 7 * np.sqrt(40_000 / 3)).all()
    for number, (mean, std) in enumerate([(2.0, 2.0), (10.0, 3.0)]):
        mine = readings.value[readings.sensor == number]
        assert abs(mine.mean() - mean) < 7 * std / np.sqrt(len(mine))
        assert mine.std() == pytest.approx(std, rel=0.1)


def test_groups_of_different_kinds_live_in_one_fleet():
    catalog = Catalog()
    groups = (
        Group(3, ("vibration",), ("office-lab",), anomaly_rate=0.1),
        Group(2, ("temperature",), ("outdoor-roof",), False, ("random-walk",) * 2, (5.0,) * 2, (1.0,) * 2),
        Group(1, ("custom",), ("outdoor-gate",), False, ("sine",), (0.0,), (1.0,)),
    )
    schedule = Schedule(np.zeros(6), np.array([0.1, 0.1, 0.1, 0.2, 0.2, 0.05]))
    fleet = Fleet(groups, schedule, catalog, 3)
    readings = take(fleet, 6000)
    assert fleet.types == ("vibration", "temperature", "custom")
    assert (readings.type == np.select([readings.sensor < 3, readings.sensor < 5], [0, 1], 2)).all()
    assert (np.diff(readings.due) >= 0).all()
    assert not readings.anomaly[readings.sensor >= 3].any()
    longer = dataclasses.replace(fleet, seed=4)
    assert (take(longer, 6000).value != readings.value).any()

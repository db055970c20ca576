"""From options and TOML files to a fleet, and what is said about wrong ones."""

from pathlib import Path

import numpy as np
import pytest
from fleets import START, take

import producer
from pipeline import catalog, fleet_spec
from pipeline.console import UsageError

EXAMPLES = Path(__file__).parents[2] / "examples"


def fleet(*words, seed=1, own_catalog=None):
    parser = producer.build_parser()
    parser.environment = {}
    settings = parser.parse_args([str(word) for word in words])
    return fleet_spec.from_settings(settings, catalog.load(own_catalog), seed, START)


def write(tmp_path, text):
    path = tmp_path / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_fleet_form_shares_the_rate_evenly():
    made = fleet("--sensors", 100, "--rate", 50)
    assert made.size == 100
    np.testing.assert_allclose(take(made, 200).due, np.arange(200) / 50)


def test_the_classic_form_gives_each_sensor_its_own_figures():
    words = "--num-sensors 2 --delays 0.1 0.2 --sensors-values-mean 2 10 --sensors-values-std 2 3"
    made = fleet(*words.split())
    group = made.groups[0]
    assert (group.mean, group.std) == ((2.0, 10.0), (2.0, 3.0))
    assert made.schedule.period.tolist() == [0.1, 0.2]
    assert made.types == ("temperature", "humidity", "pressure")
    assert made.names() == ["sensor_0", "sensor_1"]


def test_one_value_stands_for_all_sensors():
    made = fleet("--num-sensors", 3, "--sensors-values-mean", 5, "--distribution", "sine")
    group = made.groups[0]
    assert (group.mean, group.std, group.distribution) == ((5.0,) * 3, (1.0,) * 3, ("sine",) * 3)
    assert made.schedule.period.tolist() == [1.0] * 3


def test_a_constant_needs_no_deviation():
    made = fleet("--sensors-values-mean", 5, "--distribution", "constant")
    assert (take(made, 10).value == 5).all()


def test_the_seed_alone_gives_the_same_values_at_any_hour():
    first = fleet("--seed", 4, seed=4)
    later = fleet_spec.from_settings(
        producer.build_parser().parse_args(["--seed", "4"]), catalog.Catalog(), 4, START.replace(hour=20)
    )
    np.testing.assert_array_equal(take(first, 3000).value, take(later, 3000).value)


def test_a_given_start_sets_the_hour_of_the_day():
    assert fleet("--seed", 4, "--start", START.isoformat()).day_start == 12.0
    assert fleet().day_start == 12.0


def test_the_example_fleet_is_what_it_says():
    made = fleet("--fleet", EXAMPLES / "fleet.toml")
    assert made.size == 54
    assert made.schedule.fastest_rate == pytest.approx(40 + 80 + 8 + 8)
    readings = take(made, 20_000)
    by_type = {name: (readings.type == number) for number, name in enumerate(made.types)}
    assert set(by_type) == {"temperature", "humidity", "vibration", "voltage"}
    assert readings.value[by_type["voltage"]].mean() == pytest.approx(225, abs=0.5)
    server_room = (readings.sensor >= 48) & (readings.sensor < 52)
    assert readings.value[server_room].mean() == pytest.approx(21.5, abs=1.5)
    assert {made.locations()[number] for number in range(48, 52)} == {"office-server-room"}


def test_the_example_catalog_makes_a_fleet():
    made = fleet("--anomaly-rate", 0, own_catalog=EXAMPLES / "catalog.toml")
    assert made.types == ("soil_moisture", "wind_speed", "temperature")
    readings = take(made, 3000)
    soil = readings.value[readings.type == 0]
    assert soil.min() >= 18
    assert soil.max() <= 35
    assert set(made.locations()) == {"field-east", "field-west", "greenhouse"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--num-sensors 3 --sensors-values-mean 1 2", "has 2 values for 3 sensors; give one for all or 3"),
        ("--num-sensors 2 --sensors-values-mean 1 --delays 1 2 3", "--delays has 3 values for 2 sensors"),
        ("--sensors-values-mean 1 2", "has 2 values for 1 sensor; give one for all"),
        ("--num-sensors 2", "the classic form needs --sensors-values-mean"),
        ("--delays 1", "the classic form needs --sensors-values-mean"),
        ("--sensors-values-mean 1 --rate 5", "--rate cannot be used here"),
        ("--sensors-values-mean 1 --anomaly-rate 0.1", "--anomaly-rate cannot be used here"),
        ("--sensors-values-mean 0 --distribution lognormal", "the mean must be more than 0"),
        ("--sensors-values-mean 3 --sensors-values-std 1 --distribution constant", "deviation of 0"),
        ("--late-rate 0.6 --drop-rate 0.6", "come to more than 1"),
        ("--rate 10 20", "--rate: say when 20 begins"),
    ],
)
def test_options_that_do_not_fit_together_are_explained(words, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        fleet(*words.split())


GROUP = "[[group]]\nsensors = 2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no groups"),
        ("group = 3", "has no groups"),
        ("this is not toml", "is not TOML"),
        ("[[group]]\nsensors = 2\ndelay = soon", "line 3"),
        ("[[groups]]\nsensors = 2", "does not know 'groups'"),
        (GROUP, "needs either delay"),
        (GROUP + "delay = 1\nrate = 2", "needs either delay"),
        (GROUP + "delay = 0", "must lie between"),
        (GROUP + "rate = -1", "rate must be more than 0"),
        (GROUP + "rate = nan", "must be a number"),
        (GROUP + "delay = '1'", "delay must be a number"),
        ("[[group]]\nsensors = 0\ndelay = 1", "sensors must be a whole number"),
        ("[[group]]\nsensors = true\ndelay = 1", "sensors must be a whole number"),
        ("[[group]]\nsensors = 2000000\ndelay = 1", "from 1 to 1000000"),
        ("[[group]]\ndelay = 1", "sensors must be a whole number"),
        (GROUP + "delay = 1\nsensor = 3", "does not know 'sensor'"),
        (GROUP + "delay = 1\ntype = 'flow'", "'flow' is no known type"),
        (GROUP + "delay = 1\ntypes = []", "a list of one or more strings"),
        (GROUP + "delay = 1\ntype = 'humidity'\ntypes = ['humidity']", "not both"),
        (GROUP + "delay = 1\nlocation = ''", "no string of 1 to 64"),
        (GROUP + "delay = 1\nmean = 3", "mean needs a distribution"),
        (GROUP + "delay = 1\ndistribution = 'weibull'\nmean = 1", "must be one of normal"),
        (GROUP + "delay = 1\ndistribution = 'normal'", "mean must be a number"),
        (GROUP + "delay = 1\ndistribution = 'gamma'\nmean = -1", "the mean must be more than 0"),
        (GROUP + "delay = 1\ndistribution = 'normal'\nmean = 1\nanomaly_rate = 0.1", "without a distribution"),
        (GROUP + "delay = 1\nanomaly_rate = 2", "between 0 and 1"),
        (GROUP + "delay = 1\n[[group]]\nsensors = 1\ndelay = 1\ntypo = 1", "group 2"),
    ],
)
def test_wrong_fleet_files_are_explained(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        fleet("--fleet", write(tmp_path, text))
    assert str(tmp_path / "fleet.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fleet_file_stands_alone(tmp_path):
    path = write(tmp_path, GROUP + "delay = 1")
    with pytest.raises(UsageError, match="--fleet describes the whole fleet"):
        fleet("--fleet", path, "--sensors", 5)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "fleet.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not UTF-8"):
        fleet("--fleet", path)

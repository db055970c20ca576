"""The catalog of sensor types: what is built in, what a file adds, and what is said of a wrong file."""

import pytest

from pipeline import catalog
from pipeline.catalog import Catalog
from pipeline.console import UsageError

SOIL = """\
[types.soil_moisture]
unit = "%"
range = [0, 100]
normal = [20.5, 60]
"""


@pytest.fixture
def load(tmp_path):
    def write_and_load(text: str | bytes) -> Catalog:
        path = tmp_path / "types.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return catalog.load(path)

    return write_and_load


def test_the_built_in_types_are_those_of_the_contract():
    known = {
        one.name: (one.unit, one.minimum, one.maximum, one.normal_minimum, one.normal_maximum)
        for one in catalog.load(None).types.values()
    }

    assert known == {
        "temperature": ("°C", -20, 50, 15, 25),
        "humidity": ("%", 0, 100, 40, 60),
        "pressure": ("hPa", 950, 1050, 1000, 1020),
        "vibration": ("g", 0, 10, 0.1, 1.0),
        "voltage": ("V", 200, 250, 220, 230),
        "current": ("A", 0, 20, 1, 5),
        "co2": ("ppm", 300, 5000, 400, 800),
        "light": ("lx", 0, 2000, 200, 700),
        "noise": ("dB", 20, 130, 30, 60),
        "motion": ("count", 0, 1, 0, 1),
    }


def test_the_default_fleet_uses_the_first_six_types_and_twelve_locations():
    builtin = Catalog()

    assert builtin.fleet_types == ("temperature", "humidity", "pressure", "vibration", "voltage", "current")
    assert len(set(builtin.locations)) == 12
    assert builtin.types["motion"].integer
    assert [name for name, one in builtin.types.items() if one.daily] == ["temperature"]


def test_a_type_knows_its_unit_and_an_unknown_type_has_none():
    assert Catalog().unit("pressure") == "hPa"
    assert Catalog().unit("soil_moisture") is None


def test_a_file_adds_a_type_to_the_others_and_to_the_fleet(load):
    loaded = load(SOIL)

    soil = loaded.types["soil_moisture"]
    assert (soil.unit, soil.minimum, soil.maximum, soil.normal_minimum, soil.normal_maximum) == ("%", 0, 100, 20.5, 60)
    assert not soil.integer
    assert not soil.daily
    assert loaded.types.keys() > Catalog().types.keys()
    assert loaded.fleet_types == (*Catalog().fleet_types, "soil_moisture")
    assert loaded.locations == Catalog().locations


def test_a_file_replaces_a_type_the_locations_and_the_fleet(load):
    loaded = load(
        'locations = ["hall-1", "Köln"]\nfleet_types = ["motion", "temperature"]\n'
        '[types.temperature]\nunit = "K"\nrange = [0, 400]\nnormal = [280, 300]\ndaily = true\n'
    )

    assert loaded.types["temperature"].unit == "K"
    assert loaded.locations == ("hall-1", "Köln")
    assert loaded.fleet_types == ("motion", "temperature")


def test_an_empty_file_changes_nothing(load):
    assert load("") == Catalog()


def soil(**changes: str) -> str:
    fields = {"unit": '"%"', "range": "[0, 100]", "normal": "[20, 60]", **changes}
    return "[types.soil]\n" + "".join(f"{name} = {text}\n" for name, text in fields.items() if text)


NUMBERS = "must be [minimum, maximum], two numbers in this order"
STRING = "is no string of 1 to 64 printable characters"
WRONG = [
    ("[types.soil", "is not TOML: "),
    ("a = 1\nb = = 2", "is not TOML: Invalid value (at line 2, column 5)"),
    (b"\xff\xfe", "is not UTF-8 text; save it as UTF-8"),
    ("tipes = 1", "does not know 'tipes'; known are fleet_types, locations, types"),
    ("types = 5", "types must be tables, such as [types.soil_moisture]"),
    ("[types]\nsoil = 5", "[types.soil]: must be a table with unit, range and normal"),
    (soil(unit=""), "[types.soil]: unit is missing"),
    (soil(range=""), "[types.soil]: range is missing"),
    (soil(normal=""), "[types.soil]: normal is missing"),
    (soil(colour='"red"'), "[types.soil]: does not know 'colour'; known are daily, integer, normal, range, unit"),
    (soil(unit="5"), f"[types.soil]: unit: 5 {STRING}"),
    (soil(unit='""'), f"[types.soil]: unit: '' {STRING}"),
    (soil(unit='"' + "x" * 65 + '"'), STRING),
    (soil(unit='"a\\u001b[2Jb"'), STRING),
    (soil(range="5"), f"[types.soil]: range: {NUMBERS}"),
    (soil(range="[0]"), NUMBERS),
    (soil(range="[0, 50, 100]"), NUMBERS),
    (soil(range="[100, 0]"), NUMBERS),
    (soil(range='["0", "100"]'), NUMBERS),
    (soil(range="[false, true]"), NUMBERS),
    (soil(range="[0, inf]"), NUMBERS),
    (soil(range="[nan, 100]"), NUMBERS),
    (soil(range="[0, 1e400]"), NUMBERS),
    (soil(range="[0, 1" + "0" * 400 + "]"), NUMBERS),
    (soil(range="[0, 1" + "0" * 5000 + "]"), "is not TOML: "),
    ("a = " + "[" * 50_000, "is not TOML: "),
    ('locations = ["' + "x" * 5000 + '"]', STRING),
    ('"a\\nb" = 1', "does not know 'a\\nb'"),
    (soil(normal="[60, 20]"), f"[types.soil]: normal: {NUMBERS}"),
    (soil(normal="[20, 101]"), "[types.soil]: normal [20, 101] does not lie within range [0, 100]"),
    (soil(normal="[-1, 60]"), "does not lie within range [0, 100]"),
    (soil(integer="1"), "[types.soil]: integer must be true or false"),
    (soil(daily='"yes"'), "[types.soil]: daily must be true or false"),
    (soil().replace("soil", '""'), "a type's name has 1 to 64 printable characters"),
    (soil().replace("soil", "x" * 65), "a type's name has 1 to 64 printable characters"),
    (soil().replace("soil", '"a\\nb"'), "a type's name has 1 to 64 printable characters"),
    ("locations = []", "locations: must be a list of one or more strings"),
    ('locations = "hall"', "locations: must be a list of one or more strings"),
    ("locations = [5]", f"locations: 5 {STRING}"),
    ('locations = ["a\\nb"]', f"locations: 'a\\nb' {STRING}"),
    ("fleet_types = []", "fleet_types: must be a list of one or more strings"),
    ('fleet_types = ["soil"]', "fleet_types names 'soil', which is no known type: co2, current, humidity"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_wrong_file_is_refused_in_one_line_that_names_file_place_and_reason(load, tmp_path, text, says):
    with pytest.raises(UsageError) as refused:
        load(text)

    message = str(refused.value)
    assert message.startswith(str(tmp_path / "types.toml"))
    assert says in message
    assert message.isprintable()
    assert len(message.removeprefix(str(tmp_path))) < 250


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.toml: cannot be read: No such file"):
        catalog.load(tmp_path / "missing.toml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        catalog.load(tmp_path)

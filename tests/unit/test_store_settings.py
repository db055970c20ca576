from __future__ import annotations

import pytest

from pipeline import checks, options, store_schema
from pipeline.settings import SettingsParser


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://localhost:27017",
        "mongodb://localhost",
        "mongodb://ada:s%40crt@a:27017,b:27018/iot?replicaSet=rs0&w=majority",
        "mongodb+srv://ada:pw@cluster.example/",
        "mongodb://[::1]:27017",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock",
    ],
)
def test_an_address_of_mongodb_is_taken_as_it_is(uri):
    assert checks.mongo_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "localhost:27017",
        "http://h",
        "mongodb://",
        "mongodb://h:99999",
        "mongodb://h:0",
        "mongodb://ada:w0@rd@h",
        "mongodb://a b",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(uri):
    with pytest.raises(ValueError, match="no MongoDB address") as caught:
        checks.mongo_uri(uri)

    assert "w0@rd" not in str(caught.value)


@pytest.mark.parametrize("uri", ["mongodb://h/?w=0", "mongodb://h/iot?tls=true&w=0"])
def test_unacknowledged_writes_are_refused(uri):
    with pytest.raises(ValueError, match="w=0 would lose data"):
        checks.mongo_uri(uri)


def test_a_wrong_address_is_one_line_without_the_password(capsys):
    parser = SettingsParser(description="", examples=[], prog="spark_job.py", environment={})
    parser.section("MongoDB", options.MONGO_URI)

    with pytest.raises(SystemExit) as leaving:
        parser.parse_args(["--mongo-uri", "mongodb://ada:w0/rd@h"])

    error = capsys.readouterr().err
    assert leaving.value.code == 2
    assert error.startswith("spark_job.py: --mongo-uri: it is no MongoDB address")
    assert "w0/rd" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["iot_analytics", "plant-7", "Werk_Süd", "a" * 63])
def test_a_database_can_have_any_name_that_mongodb_takes(name):
    assert checks.database_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a" * 64, "ü" * 32, "a b", "a.b", "a/b", "a$b", "admin", "local", "config", "a\0"]
)
def test_a_name_that_mongodb_refuses_is_refused_before(name):
    with pytest.raises(ValueError, match="is no database name"):
        checks.database_name(name)


def test_the_options_and_the_schema_have_the_same_retention():
    in_schema = {(one.retention_setting, one.retention_days) for one in store_schema.load()}

    assert in_schema == {(one.name, one.default) for one in options.RETENTION}


@pytest.mark.parametrize(("days", "seconds"), [(7.0, 604_800), (0.5, 43_200), (1e-6, 1), (0.0, 2**31 - 1)])
def test_a_retention_in_days_is_one_in_seconds_and_0_is_for_good(days, seconds):
    schema = next(one for one in store_schema.load() if one.name == "sensor_metrics")

    assert schema.expire_after_seconds({"readings_retention": days}) == seconds


def test_the_longest_retention_is_one_that_mongodb_takes():
    schema = next(one for one in store_schema.load() if one.name == "sensor_metrics")
    longest = options.READINGS_RETENTION.parse("24855")

    assert schema.expire_after_seconds({"readings_retention": longest}) <= 2**31 - 1

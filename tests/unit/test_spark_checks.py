from __future__ import annotations

import pytest

from pipeline import checks


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10.0),
        ("10s", 10.0),
        ("10 seconds", 10.0),
        ("1 Second", 1.0),
        (" 2 minutes ", 120.0),
        ("2m", 120.0),
        ("1.5 min", 90.0),
        ("1h", 3600.0),
        ("1 day", 86_400.0),
        ("1500ms", 1.5),
        ("1000.4ms", 1.0),
        ("0001", 1.0),
    ],
)
def test_a_span_of_time_is_read_in_the_units_people_write(text, seconds):
    assert checks.duration(1, 86_400)(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "ten", "-1s", "+1s", "1e3", "1,5s", "10 weeks", "1 m 30 s", ".5s", "1.s", "∞"]
)
def test_what_is_no_span_of_time_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="is no span of time; give one such as 10s, '10 seconds', 2m or 500ms"):
        checks.duration(1, 86_400)(text)


@pytest.mark.parametrize("text", ["0", "999ms", "25h", "9" * 400])
def test_a_span_of_time_out_of_range_is_refused_with_the_range(text):
    with pytest.raises(ValueError, match="is out of range: 1 to 86400 seconds"):
        checks.duration(1, 86_400)(text)


@pytest.mark.parametrize(("text", "amount"), [("512m", "512m"), ("2g", "2g"), (" 2G ", "2g"), ("999999m", "999999m")])
def test_an_amount_of_memory_is_written_as_java_takes_it(text, amount):
    assert checks.memory(text) == amount


@pytest.mark.parametrize("text", ["", "2", "2gb", "0m", "02g", "-1g", "1.5g", "2 g", "2t", "1000000m", "2g\n-Dx=y"])
def test_what_is_no_amount_of_memory_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="is no amount of memory; give one such as 512m or 2g"):
        checks.memory(text)


@pytest.mark.parametrize(
    "text",
    [
        *("local", "local[1]", "local[*]", "local[4,2]", "local[4, 2]", "local[*,1]", "yarn"),
        *("spark://host:7077", "spark://a:7077,b:7077", "k8s://https://host:443"),
    ],
)
def test_the_masters_that_spark_knows_are_taken(text):
    assert checks.spark_master(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "laptop",
        "local[0]",
        "local[]",
        "local[-1]",
        "local[two]",
        "local[4",
        "Local",
        "spark://",
        "mesos://h",
        "yarn2",
    ],
)
def test_what_is_no_master_is_refused_with_examples(text):
    with pytest.raises(ValueError, match=r"is no Spark master; give one such as local\[4\] or spark://host:7077"):
        checks.spark_master(text)

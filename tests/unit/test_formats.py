"""What alerts, dead letters and the outcome of a replay look like."""

import csv
import io
import json
from collections import Counter

import pytest
from rich.console import Console

from pipeline import alert_formats, dead_letter_formats, replay_formats
from pipeline.events import Alert, DeadLetter
from pipeline.replay import Outcome


def alert(**changes) -> Alert:
    fields = {
        "alert_id": "co2-high-1",
        "alert_type": "co2-high",
        "priority": "critical",
        "sensor_id": "sensor_0042",
        "sensor_type": "co2",
        "location": "office-lab",
        "value": 1234.5,
        "threshold": 1000.0,
        "unit": "ppm",
        "message": "co2 is too high",
        "timestamp": "2026-01-31T08:00:00Z",
        "detected_at": "2026-01-31T08:00:00.250Z",
    }
    return Alert(**{**fields, **changes})


def letter(**changes) -> DeadLetter:
    fields = {
        "key": b"sensor_0042",
        "value": b'{"value": NaN}',
        "original_topic": "sensor-data",
        "original_partition": 2,
        "original_offset": 17,
        "error": "not_json: NaN is no JSON",
        "retry_count": 1,
        "failed_at": "2026-01-31T08:00:00Z",
    }
    return DeadLetter(**{**fields, **changes})


def plain_console() -> Console:
    return Console(file=io.StringIO(), force_terminal=False)


def colour_console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="standard", no_color=False, width=40)


def test_an_alert_is_one_line_without_colour_where_there_is_no_terminal():
    assert alert_formats.line(plain_console())(alert()) == (
        "2026-01-31T08:00:00Z  critical  co2-high: sensor_0042 at office-lab, "
        "co2 1234.5 ppm (threshold 1000 ppm): co2 is too high"
    )


def test_an_alert_without_unit_and_location_is_still_a_sentence():
    assert alert_formats.line(plain_console())(alert(unit=None, location=None)) == (
        "2026-01-31T08:00:00Z  critical  co2-high: sensor_0042, co2 1234.5 (threshold 1000): co2 is too high"
    )


def test_each_priority_has_its_colour_on_a_terminal_and_a_long_line_stays_one_line():
    render = alert_formats.line(colour_console())

    lines = [render(alert(priority=priority)) for priority in ("low", "normal", "high", "critical")]

    starts = [line.partition("2026")[0] for line in lines]
    assert len(set(starts)) == 4
    assert all(start.startswith("\x1b[") for start in starts)
    assert all("\n" not in line and line.endswith("\x1b[0m") for line in lines)


@pytest.mark.parametrize("console", [plain_console(), colour_console()])
def test_the_text_of_an_alert_is_neither_markup_nor_a_terminal_escape(console):
    line = alert_formats.line(console)(alert(message="[bold]no markup[/]\x1b[2J\n next"))

    assert "[bold]no markup[/]\\x1b[2J\\n next" in line


def test_an_alert_as_json_and_csv_has_all_its_fields():
    one = alert(message="=1+1, °")

    as_json = json.loads(alert_formats.json_line(one))
    (as_csv,) = csv.DictReader(io.StringIO(alert_formats.CSV_HEADER + "\n" + alert_formats.csv_row(one)))

    assert as_json["message"] == "=1+1, °"
    assert as_csv["message"] == "'=1+1, °"
    assert list(as_json) == list(as_csv) == list(Alert.__struct_fields__)
    assert (as_csv["value"], as_csv["priority"]) == ("1234.5", "critical")


def test_a_dead_letter_is_one_line():
    assert dead_letter_formats.line(letter()) == (
        '2026-01-31T08:00:00Z  sensor-data[2]@17  not_json: NaN is no JSON  (retries 1, 14 bytes): {"value": NaN}'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (b"", ""),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\x1b[2J\n", "\\x1b[2J\\n"),
        (b"x" * 5000, "x" * 200 + "…"),
        ("温".encode() * 5000, "温" * 200 + "…"),
    ],
)
def test_the_first_part_of_the_message_is_shown_escaped(value, shown):
    line = dead_letter_formats.line(letter(value=value))

    assert line.endswith(f"bytes): {shown}")
    assert line.isprintable()


def test_the_size_is_that_of_the_whole_message():
    assert "5,000,000 bytes" in dead_letter_formats.line(letter(original_size=5_000_000))


def test_a_dead_letter_as_json_and_csv_has_its_origin_error_and_start():
    one = letter(value=b"\xff" * 1000, key=None)

    as_json = json.loads(dead_letter_formats.json_line(one))
    (as_csv,) = csv.DictReader(io.StringIO(dead_letter_formats.CSV_HEADER + "\n" + dead_letter_formats.csv_row(one)))

    assert as_json["key"] is None
    assert as_json["value"].startswith("\\xff\\xff")
    assert (as_json["original_topic"], as_json["original_partition"], as_json["original_offset"]) == (
        *("sensor-data", 2, 17),
    )
    assert as_json["size"] == 1000
    assert list(as_json) == list(as_csv)
    assert as_csv["error"] == "not_json: NaN is no JSON"


OUTCOME = Outcome(
    unchanged=1, repaired=2, repeats=3, repairs=Counter(value=2, event_id=1), stayed=Counter(not_json=4, truncated=1)
)


def test_the_outcome_of_a_replay_adds_up_in_every_format():
    assert replay_formats.table(OUTCOME).splitlines() == [
        "11 dead letters: 3 sent back (1 as they were, 2 repaired), 5 stayed, 3 repeats",
        "  what stayed is not looked at again by this group; --group NAME starts another one",
        "  repaired: event_id 1",
        "  repaired: value 2",
        "  stayed: not_json 4",
        "  stayed: truncated 1",
    ]
    assert json.loads(replay_formats.json_line(OUTCOME)) == {
        "letters": 11,
        "sent": 3,
        "unchanged": 1,
        "repaired": 2,
        "repairs": {"event_id": 1, "value": 2},
        "stayed": {"not_json": 4, "truncated": 1},
        "repeats": 3,
    }
    assert list(csv.reader(io.StringIO(replay_formats.csv_rows(OUTCOME)))) == [
        ["kind", "name", "count"],
        ["letters", "", "11"],
        ["sent", "unchanged", "1"],
        ["sent", "repaired", "2"],
        ["repair", "event_id", "1"],
        ["repair", "value", "2"],
        ["stayed", "not_json", "4"],
        ["stayed", "truncated", "1"],
        ["repeat", "", "3"],
    ]

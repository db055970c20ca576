"""The page of one sensor and the list of all of them, in a browser."""

from __future__ import annotations

import csv
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import stored
from browsing import Serve, Watched, check_looks, drag
from harness import LocalMongod, await_condition
from playwright.sync_api import Browser, Page, expect
from pymongo import MongoClient

from pipeline import store, store_alarms, store_writes
from pipeline.store import Store

# Names that must be neither code in the page nor a formula in a table.
ODD = '=1+1 <img src=x onerror="document.title=`broken`">'
LONE = "a" * 200
# The sensors that are of one type at one place: more than are compared.
SENSORS = 130
# Nothing is silent for being slow to be looked at.
OPTIONS = ("--alive-within", "3600", "--refresh", "1")


def reading(name: str, number: int, age: float, value: float = 21.0, **changes: Any) -> dict[str, Any]:
    """A reading of a sensor so many seconds ago; sensors have numbers of their own."""
    [one] = stored.readings(1, start=datetime.now(UTC) - timedelta(seconds=age))
    event_id = f"{round(1000 * age):08x}-0000-8000-8000-{number:012x}"
    return {**one, "sensor_id": name, "event_id": event_id, "value": value, **changes}


def name_of(number: int) -> str:
    return f"sensor_{number:04}"


@pytest.fixture(scope="module")
def seeded(mongod: LocalMongod) -> Iterator[Store]:
    """Sensor 42 with a reading each second for 25 minutes but for 5, and an alarm; many others with two each."""
    name = f"test_{secrets.token_hex(6)}"
    target = store.ensure(mongod.uri, name)
    mine = [(age, 40.0 if age == 100 else 20 + age % 7 / 10) for age in range(1, 1500) if not 500 < age < 800]
    readings = [reading(name_of(42), 42, age, value) for age, value in mine]
    readings += [reading(name_of(n), n, age, 15 + n / 10) for n in range(SENSORS) if n != 42 for age in (5, 20)]
    humid = {"sensor_type": "humidity", "unit": "%", "location": "office-lab"}
    readings += [reading(ODD, 1001, 7, 55.0, **humid), reading(LONE, 1002, 100_000, 55.0, **humid)]
    store_writes.write_readings(target, readings)
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=15)
    windows = []
    for n in range(90):
        start = begin + timedelta(seconds=10 * n)
        windows.append({**stored.window(0), "window_start": start, "window_end": start + timedelta(seconds=10)})
    store_writes.write_windows(target, windows)
    at = datetime.now(UTC)
    for sensor, age in ((name_of(42), 100), (name_of(7), 6)):
        told = {"sensor_id": sensor, "alert_id": f"a-{sensor}", "timestamp": at - timedelta(seconds=age)}
        fired = {"alert_type": "temperature_out_of_range", "value": 40.0}
        store_alarms.write_alerts(target, [{**stored.alert(0), **told, **fired}])
    yield target
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client.drop_database(name)


@pytest.fixture
def sensors(page: Page, seeded: Store, serve: Serve) -> Iterator[Watched]:
    """The page, not yet opened; the browser must not complain, nor ask another host for anything."""
    address = serve(seeded.uri, seeded.database, *OPTIONS)
    watched = Watched(page, f"{address}sensor/")
    watched.watch()
    yield watched
    assert watched.problems == []
    assert watched.hosts <= {urlsplit(address).netloc}


def plot(page: Page, expression: str) -> Any:
    """A JavaScript expression of the chart, which is `it` there."""
    return page.locator("#readings-chart .js-plotly-plot").evaluate(f"it => {expression}")


def saved(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(button).click()
    target = folder / waiting.value.suggested_filename
    waiting.value.save_as(target)
    return target


def table(page: Page, button: str, folder: Path) -> list[list[str]]:
    with saved(page, button, folder).open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


def test_a_sensor_is_found_by_keys_alone_and_shown_with_all_that_is_known_of_it(sensors: Watched, tmp_path: Path):
    page = sensors.open()
    expect(page.locator("#list tbody tr")).to_have_count(50)

    page.keyboard.press("/")
    page.keyboard.type("42")
    expect(page.get_by_role("option", name="sensor_0042")).to_be_visible()
    page.keyboard.press("Enter")

    expect(page.locator("#sensor-title")).to_have_text("sensor_0042")
    expect(page).to_have_url(f"{sensors.address}?sensor=sensor_0042")
    expect(page.locator("#sensor-state")).to_have_text("Sending")
    expect(page.locator("#fact-battery")).to_have_text("77 %")
    expect(page.locator("#fact-place-note")).to_have_text("temperature · MODEL_01")
    expect(page.locator("#sensor-figures")).to_contain_text("Maximum40 °C")
    expect(page.locator("#sensor-figures")).to_contain_text("Gaps1")
    expect(page.locator("#sensor-alarms tbody tr")).to_have_count(1)
    expect(page.locator("#sensor-alarms a")).to_have_attribute("href", re.compile("^/alarms/.*sensor=sensor_0042"))
    expect(page.locator("#readings-legend")).to_contain_text("Alert above 35 (temperature_out_of_range)")
    # The mean of its type and place, its own line, and the mark of the reading that broke a rule.
    assert plot(page, "it.data.map(one => one.mode)") == ["lines", "lines", "markers"]
    assert plot(page, "it.data[2].y") == [40]
    assert plot(page, "it.data[1].y.filter(one => one === null).length") == 1
    # The normal range, and the limits.
    assert plot(page, "it.layout.shapes.map(one => one.y0)") == [15, 10, 35]
    peers = page.locator("#peers .peer")
    expect(peers).to_have_count(30)
    expect(page.locator("#peers .is-mine")).to_contain_text("sensor_0042")
    expect(page.locator("#peers-note")).to_contain_text("nearest last values of 130")

    rows = table(page, "#readings-csv", tmp_path)
    assert rows[0] == ["timestamp", "value", "unit"]
    assert max(float(row[1]) for row in rows[1:]) == 40
    assert saved(page, "#readings-png", tmp_path).read_bytes().startswith(b"\x89PNG")

    peers.first.locator("a").click()

    expect(page.locator("#sensor-title")).to_have_text("sensor_0129")
    page.go_back()
    expect(page.locator("#sensor-title")).to_have_text("sensor_0042")
    page.get_by_text("All sensors").click()
    expect(page.locator("#list tbody tr")).to_have_count(50)
    expect(page).to_have_url(sensors.address)


def test_a_part_of_the_time_is_looked_at_by_dragging_over_it_and_new_readings_come_by_themselves(
    sensors: Watched, seeded: Store
):
    page = sensors.open("?sensor=sensor_0042&range=1h")
    await_condition(lambda: plot(page, "it.data.length") == 4, "many readings are drawn as a band and a line")
    # A band, whose every reading counts, and a line of a point each 10 seconds.
    assert plot(page, "Math.max(...it.data[1].y)") == 40
    assert plot(page, "it.data[2].x.length") < 200
    expect(page.locator("#readings-note")).to_contain_text("Each point stands for 10 s")
    store_writes.write_readings(seeded, [reading(name_of(42), 42, 0.0, 23.456)])
    expect(page.locator("#fact-value")).to_have_text("23.46 °C")

    drag(page, "#readings-chart", 0.9, 0.995)

    expect(page).to_have_url(re.compile("since=.*until="))
    expect(page.locator("#readings-note")).to_contain_text("Each point is a reading.")
    assert plot(page, "it.data.at(-1).y") == [40]
    page.go_back()
    expect(page.locator("#readings-note")).to_contain_text("Each point stands for 10 s")


def test_the_list_comes_in_pages_and_can_be_narrowed(sensors: Watched, tmp_path: Path):
    page = sensors.open()
    note, rows = page.locator("#list-note"), page.locator("#list tbody tr")
    expect(note).to_have_text("1–50 of 132; 1 silent")
    expect(page.locator("#turn-back")).to_be_disabled()

    page.locator("#turn-next").click()

    expect(note).to_contain_text("51–100 of 132")
    expect(page).to_have_url(f"{sensors.address}?page=2")
    page.locator("#turn-last").click()
    expect(rows).to_have_count(32)
    expect(page.locator("#turn-next")).to_be_disabled()

    page.locator("#listed").get_by_text("With open alarms").click()

    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("sensor_0007")
    expect(rows.first).to_contain_text("1 high")
    expect(page).to_have_url(f"{sensors.address}?listed=alarms")
    page.locator("#listed").get_by_text("Silent").click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("silent for 27 h")
    page.reload()
    expect(rows.first).to_contain_text(LONE)
    page.goto(f"{sensors.address}?type=humidity")
    expect(rows).to_have_count(2)
    assert [row[0] for row in table(page, "#list-csv", tmp_path)] == ["sensor", f"'{ODD}", LONE]


def test_sensors_that_are_odd_silent_or_unknown_are_said_to_be_so(sensors: Watched):
    page = sensors.open()

    page.locator("#sensor-search").fill("=1")
    page.get_by_role("option", name="=1+1").click()

    expect(page.locator("#sensor-title")).to_have_text(ODD)
    expect(page.locator("#sensor-alarms")).to_contain_text("This sensor has raised no alarm.")
    expect(page.locator("#sensor-figures")).to_contain_text("Readings1")
    expect(page.locator("#sensor-figures")).to_contain_text("Standard deviation–")
    assert page.title() != "broken"

    page.locator("#sensor-search").fill("nobody")
    expect(page.get_by_text("No sensor’s name begins so")).to_be_visible()

    page.goto(f"{sensors.address}?sensor={LONE}")
    expect(page.locator("#sensor-state")).to_contain_text("Silent since")
    expect(page.locator("#readings-note")).to_contain_text("No readings in this time")
    page.locator("#readings-back").click()
    await_condition(lambda: plot(page, "it.data.at(-2).y") == [55], "its last reading is shown")

    page.goto(f"{sensors.address}?sensor=nobody")
    expect(page.locator("#sensor-state")).to_contain_text("No sensor of this name")
    expect(page.locator("#readings-panel")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_fits_a_desk_and_a_phone_in_both_themes(
    seeded: Store, serve: Serve, browser: Browser, scheme: Any
):
    context = browser.new_context(color_scheme=scheme, locale="en-GB")
    watched = Watched(context.new_page(), f"{serve(seeded.uri, seeded.database, *OPTIONS)}sensor/")
    page = watched.open()
    for query, drawn, name in (
        ("?sensor=sensor_0042", "#peers .peer", f"sensor-{scheme}"),
        (f"?sensor={LONE}", "#readings-back", f"sensor-silent-{scheme}"),
        ("", "#list tr", f"sensors-{scheme}"),
    ):
        page.goto(watched.address + query)
        expect(page.locator(drawn).first).to_be_attached()
        check_looks(page, name)
    context.close()

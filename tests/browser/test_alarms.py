"""The page of alarms in a browser: hundreds of them, of every kind, and what people do with them."""

from __future__ import annotations

import csv
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stored
from browsing import Serve, Watched, check_looks, choose, serious_violations
from harness import LocalMongod, await_condition
from playwright.sync_api import Browser, Page, expect
from pymongo import MongoClient

from pipeline import store, store_alarms, store_writes
from pipeline.store import Store

COUNT = 400
# A name that must neither be code in the page nor a formula in a table.
ODD = '=1+1 <img src=x onerror="document.title=`broken`">'
# Counts the notes that are to be heard.
LISTEN = """
    window.heard = 0;
    window.AudioContext = class {
        constructor() { this.state = "running"; this.currentTime = 0; this.destination = {}; }
        resume() { return Promise.resolve(); }
        createGain() {
            const gain = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
            return { gain, connect: (next) => next };
        }
        createOscillator() {
            return { frequency: {}, connect: (next) => next, start() { window.heard += 1; }, stop() {} };
        }
    };
"""


def alert(sensor: int, age: float, **changes: Any) -> dict[str, Any]:
    """An alert of a sensor so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=age)
    return {**stored.alert(0, sensor=sensor), "alert_id": f"a-{sensor}-{at.timestamp()}", "timestamp": at, **changes}


def send(target: Store, *sensors: int, age: float = 0.0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=age)
    readings = []
    for sensor in sensors:
        [one] = stored.readings(1, start=at)
        event_id = f"{round(1000 * at.timestamp()) % 2**32:08x}-0000-8000-8000-{sensor:012x}"
        readings.append({**one, "sensor_id": f"sensor_{sensor}", "event_id": event_id, "value": 21.0})
    store_writes.write_readings(target, readings)


@pytest.fixture(scope="module")
def stage(mongod: LocalMongod) -> Iterator[Store]:
    """One database for all tests, so that one server serves them."""
    name = f"test_{secrets.token_hex(6)}"
    yield store.ensure(mongod.uri, name)
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        client.drop_database(name)


@pytest.fixture
def target(stage: Store) -> Store:
    """The database, emptied."""
    for name in stage.open().list_collection_names():
        stage.collection(name).delete_many({})
    return stage


@pytest.fixture
def filled(target: Store) -> Store:
    """400 sensors with an active alarm each, every tenth critical, one at an odd place; some that are over."""
    send(target, *range(COUNT))
    alerts = [alert(sensor, 20, priority="critical" if sensor % 10 == 0 else "high") for sensor in range(COUNT)]
    alerts[0] |= {"location": ODD}
    alerts += [alert(5, age) for age in (22, 24, 26)]
    alerts += [alert(sensor, 300, alert_type="too_cold", threshold=-5.0) for sensor in range(20)]
    store_alarms.write_alerts(target, alerts, 60)
    return target


@pytest.fixture
def alarms(page: Page, target: Store, serve: Serve) -> Iterator[Watched]:
    """The page of alarms, not yet opened; the browser must not complain."""
    watched = Watched(page, f"{serve(target.uri, target.database, '--clear-after', '200')}alarms/")
    watched.watch()
    yield watched
    assert watched.problems == []


def cells(page: Page, column: str) -> list[str]:
    return page.locator(f"#alarms .ag-center-cols-container .ag-cell[col-id={column}]").all_inner_texts()


@pytest.mark.usefixtures("filled")
def test_hundreds_of_alarms_are_listed_narrowed_ordered_and_the_address_says_it_all(alarms: Watched):
    page = alarms.open()

    # the open ones, the most urgent first, and how many there are of each kind
    expect(page.locator("#kind-active-0-value")).to_have_text(str(COUNT))
    expect(page.locator("#kind-active-0-note")).to_have_text("40 critical")
    expect(page.locator("#kind-cleared-0-value")).to_have_text("20")
    expect(page.locator("#alarms-note")).to_have_text("400 listed")
    expect(page).to_have_title(re.compile(r"^\(40\) "))
    await_condition(lambda: set(cells(page, "level")[:5]) == {"critical"}, "the most urgent come first")
    expect(page.locator("#kind-active-0")).to_have_attribute("aria-pressed", "true")

    # a count lists what it is of; the same again lists all
    page.locator("#kind-cleared-0").click()
    expect(page.locator("#alarms-note")).to_have_text("20 listed")
    assert set(cells(page, "rule")) == {"too_cold"}
    assert set(cells(page, "active")) == {"cleared"}
    page.locator("#kind-cleared-0").click()
    expect(page.locator("#alarms-note")).to_have_text("420 listed")
    expect(page).to_have_url(re.compile(r"state=any.*acknowledged=any|acknowledged=any.*state=any"))

    # filters and order
    choose(page, "Priority", "critical")
    choose(page, "Rule", "too_hot")
    expect(page.locator("#alarms-note")).to_have_text("40 listed")
    page.locator("#alarms .ag-header-cell[col-id=sensor]").click()
    expect(page).to_have_url(re.compile("sort=sensor"))
    await_condition(lambda: cells(page, "sensor")[:3] == ["sensor_0", "sensor_10", "sensor_100"], "by their names")
    page.get_by_label("Sensor", exact=True).fill("sensor_100")
    page.get_by_label("Sensor", exact=True).press("Enter")
    expect(page.locator("#alarms-note")).to_have_text("1 listed")

    # all of it survives a reload, and back goes back
    page.reload()
    expect(page.locator("#alarms-note")).to_have_text("1 listed")
    expect(page.get_by_label("Sensor", exact=True)).to_have_value("sensor_100")
    expect(page.locator("#alarms .ag-header-cell[col-id=sensor]")).to_have_attribute("aria-sort", "ascending")
    page.go_back()
    expect(page.locator("#alarms-note")).to_have_text("40 listed")
    page.goto(f"{alarms.address}?state=%FF&acknowledged=1&priority=<b>&sort=-id&alarm=%00&sensor=" + 300 * "x")
    expect(page.locator("#alarms-note")).to_have_text("400 listed")


def test_hundreds_are_acknowledged_at_once_the_first_stays_and_a_new_critical_one_is_heard(
    alarms: Watched, filled: Store, browser: Browser
):
    alarms.page.add_init_script(LISTEN)
    page = alarms.open()
    other = browser.new_page()
    other.goto(alarms.address)
    for one, name in ((page, "Ada"), (other, "Bob")):
        one.locator("#live").uncheck(force=True)
        one.locator("#alarms .ag-header-select-all input").check()
        one.get_by_label("Your name").fill(name)
        expect(one.locator("#acknowledge")).to_have_text(f"Acknowledge {COUNT}")
    page.get_by_label("Note (optional)").fill("the whole hall is hot")

    page.locator("#acknowledge").click()
    expect(page.get_by_text(f"{COUNT} alarms", exact=True)).to_be_visible()
    other.locator("#acknowledge").click()
    expect(other.get_by_text(f"{COUNT} alarms had been before, by Ada")).to_be_visible()
    other.close()

    noted = {
        (one["acknowledged"]["by"], one["acknowledged"]["note"])
        for one in filled.collection("alarms").find({"acknowledged": {"$exists": True}})
    }
    assert noted == {("Ada", "the whole hall is hot")}
    expect(page.locator("#kind-active-0-value")).to_have_text("0")
    expect(page.locator("#kind-active-1-value")).to_have_text(str(COUNT))
    expect(page).to_have_title(re.compile("^[^(]"))
    page.locator("#kind-active-1").click()
    await_condition(lambda: "Ada" in "".join(cells(page, "acknowledged")), "who has acknowledged is listed")

    # nothing sounds before it is wished for, nor for an alarm that is not critical
    page.locator("#live").check(force=True)
    store_alarms.write_alerts(filled, [alert(1, 5, alert_type="shaken", priority="critical")], 60)
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    assert page.evaluate("window.heard") == 0
    page.get_by_label("Sound for new critical ones").check(force=True)
    store_alarms.write_alerts(filled, [alert(2, 5, alert_type="shaken", priority="high")], 60)
    expect(page.locator("#kind-active-0-value")).to_have_text("2")
    assert page.evaluate("window.heard") == 0
    store_alarms.write_alerts(filled, [alert(3, 5, alert_type="shaken", priority="critical")], 60)
    await_condition(lambda: page.evaluate("window.heard") == 2, "two notes for one new critical alarm")
    expect(page).to_have_title(re.compile(r"^\(2\) "))


def test_an_alarm_in_detail_shows_its_values_against_the_limit_and_is_acknowledged_alone(
    alarms: Watched, filled: Store, tmp_path: Path
):
    page = alarms.open("?sort=sensor")
    expect(page.locator("#alarms-note")).to_have_text("400 listed")
    row = page.locator("#alarms .ag-row[row-id^='sensor_5|too_hot']")
    page.get_by_label("Sensor", exact=True).fill("sensor_5")
    page.get_by_label("Sensor", exact=True).press("Enter")
    expect(page.locator("#alarms-note")).to_have_text("1 listed")

    # by the keyboard: to the row, Enter opens, Escape closes
    row.locator("[col-id=sensor]").focus()
    page.keyboard.press("Enter")
    detail = page.locator("#detail")
    expect(detail.locator("#detail-title")).to_have_text("sensor_5: too_hot")
    expect(detail).to_contain_text("active for")
    expect(detail.locator("#detail-facts")).to_contain_text("the limit is 35 °C")
    plot = detail.locator(".js-plotly-plot")
    await_condition(lambda: plot.evaluate("it => it.data[1].x.length") == 4, "each alert is a point")
    assert plot.evaluate("it => it.data[0].y") == [21]
    assert plot.evaluate("it => it.layout.shapes.map(one => one.y0)") == [35]
    expect(detail.get_by_role("link", name="Its readings")).to_have_attribute("href", re.compile("sensor=sensor_5"))
    expect(page).to_have_url(re.compile("alarm=sensor_5"))
    assert serious_violations(page) == []

    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Acknowledge this alarm").click()
    expect(detail.locator("#detail-facts")).to_contain_text("by Ada")
    assert filled.collection("alarms").count_documents({"acknowledged": {"$exists": True}}) == 1
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    page.go_back()
    expect(detail.locator("#detail-title")).to_have_text("sensor_5: too_hot")

    # one that there is not is said to be so
    page.goto(f"{alarms.address}?alarm=sensor_999%7Ctoo_hot%7C2026-01-01T00:00:00.000Z")
    expect(detail.locator("#detail-title")).to_have_text("No such alarm")

    # what is listed can be had as a table, in which no name is a formula
    page.goto(f"{alarms.address}?priority=critical&sort=sensor")
    expect(page.locator("#alarms-note")).to_have_text("40 listed")
    with page.expect_download() as download:
        page.locator("#alarms-export").click()
    download.value.save_as(tmp_path / "alarms.csv")
    rows = list(csv.DictReader((tmp_path / "alarms.csv").read_text("utf-8-sig").splitlines()))
    assert [row["sensor"] for row in rows[:2]] == ["sensor_0", "sensor_10"]
    assert rows[0]["location"] == "'" + ODD
    assert (rows[0]["priority"], rows[0]["state"], float(rows[0]["limit"])) == ("critical", "active", 35.0)


@pytest.mark.usefixtures("filled")
def test_the_page_is_accessible_and_fits_a_desk_and_a_phone_in_both_themes(alarms: Watched):
    for theme in ("light", "dark"):
        page = alarms.open(f"?theme={theme}&alarm=nonsense&state=any&acknowledged=any")
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", theme)
        expect(page.locator("#alarms .ag-row").first).to_be_visible()
        check_looks(page, f"alarms-{theme}")


def test_without_alarms_it_says_so(alarms: Watched, target: Store):
    send(target, 1)
    page = alarms.open()

    expect(page.locator("#alarms")).to_contain_text("No alarms")
    expect(page.locator("#kind-active-0-note")).to_have_text("none critical")

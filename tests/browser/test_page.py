"""The page in a browser, over a database that moves."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from browsing import Serve, Watched, check_looks, choose, serious_violations
from harness import await_condition
from playwright.sync_api import Page, expect

from pipeline import store_progress
from pipeline.store import Store

TOKYO = ZoneInfo("Asia/Tokyo")
TYPES = ["Temperature", "Humidity", "Pressure", "Vibration", "Voltage", "Current"]


def test_the_figures_appear_and_move_with_the_data(overview: Watched):
    overview.open()

    overview.await_charts(6)
    assert overview.charts() == TYPES
    expect(overview.page.locator("#alive-value")).to_have_text("48")
    await_condition(lambda: 20 < overview.number("rate-value") < 100, "48 readings a second or so are shown")
    assert overview.number("open-value") > 0
    assert overview.number("fresh-value") < 15
    before = overview.newest_point()
    overview.await_change(overview.newest_point, "the newest point")
    assert overview.newest_point() > before


def test_a_filter_narrows_charts_alarms_and_sensors_and_stands_in_the_address(overview: Watched):
    page = overview.open("?alarms=all")
    overview.await_charts(6)

    choose(page, "Sensor types", "vibration")

    overview.await_charts(1)
    assert overview.charts() == ["Vibration"]
    expect(page.locator("#alive-value")).to_have_text("8")
    rules = page.locator("#alarms .ag-cell[col-id=rule]")
    await_condition(lambda: set(rules.all_inner_texts()) == {"vibration_high"}, "only alarms of vibration are listed")
    expect(page).to_have_url(f"{overview.address}?type=vibration&alarms=all")


def test_filters_that_nothing_matches_are_said_to_be_so(overview: Watched):
    page = overview.open("?type=mass")

    expect(page.locator("#banner")).to_contain_text("Choose others, or clear the filters")
    expect(page.locator("#charts")).to_have_text("Nothing matches the filters.")
    expect(page.locator("#open-note")).to_have_text("no sensors")


def test_the_address_alone_says_what_is_shown_and_back_goes_back(overview: Watched):
    page = overview.open("?type=humidity&type=voltage&range=5m&location=warehouse-north&theme=dark")
    overview.await_charts(2)
    page.locator("#range").get_by_text("1 h", exact=True).click()
    expect(page).to_have_url(re.compile("range=1h"))

    page.reload()

    overview.await_charts(2)
    assert overview.charts() == ["Humidity", "Voltage"]
    expect(page.locator("#range input[value='1h']")).to_be_checked()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.go_back()
    expect(page.locator("#range input[value='5m']")).to_be_checked()
    expect(page).to_have_url(re.compile("range=5m"))
    page.go_forward()
    expect(page.locator("#range input[value='1h']")).to_be_checked()


def test_garbage_in_the_address_is_ignored(overview: Watched):
    page = overview.open("?range=%FF&theme=<script>&paused=yes&type=&type=%00&alarms[$ne]=1&location=" + 300 * "x")

    overview.await_charts(6)
    expect(page.locator("#range input[value='15m']")).to_be_checked()
    expect(page.locator("#live")).to_be_checked()


def test_a_pause_stops_the_page_and_live_lets_it_go_on(overview: Watched):
    overview.page.clock.install()
    page = overview.open()
    overview.await_charts(6)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.post_data or "") if one.method == "POST" else None)

    page.locator("#live").uncheck(force=True)

    expect(page.locator("#status")).to_contain_text("Paused at")
    asked.clear()
    page.clock.run_for(20_000)
    assert [one for one in asked if "snapshot.data" in one] == []
    expect(page).to_have_url(re.compile("paused=1"))
    before = overview.newest_point()

    page.locator("#live").check(force=True)

    await_condition(lambda: overview.newest_point() > before, "the charts go on")


def chosen_time(page: Page) -> tuple[datetime, datetime]:
    """The time that the address says."""
    query = parse_qs(urlsplit(page.url).query)
    since, until = (datetime.fromisoformat(query[name][0]) for name in ("since", "until"))
    return since, until


def test_a_drag_over_a_chart_becomes_the_pages_time_and_back_or_a_double_click_undoes_it(overview: Watched):
    page = overview.open()
    overview.await_charts(6)
    shown = [datetime.fromisoformat(f"{one}+09:00") for one in overview.chart("it._fullLayout.xaxis.range")]

    overview.drag(0.25, 0.75)

    expect(page).to_have_url(re.compile("since="))
    since, until = chosen_time(page)
    width = (shown[1] - shown[0]) / 4
    assert abs(since - shown[0] - width) < timedelta(seconds=20)
    assert abs(until - shown[1] + width) < timedelta(seconds=20)
    expect(page.locator("#range input:checked")).to_have_count(0)
    expect(page.locator("#between")).to_have_text(re.compile(f"{since.astimezone(TOKYO):%H:%M:%S} – "))

    def last_chart() -> list[datetime]:
        return [datetime.fromisoformat(f"{one}+09:00") for one in overview.chart("it._fullLayout.xaxis.range", 5)]

    # The charts are drawn one after the other.
    await_condition(lambda: last_chart() == [since, until], "the last chart has the same time")
    expect(page.locator("#rate-note")).to_have_text("mean over the chosen time")

    # by half of it into the past, and on until it is live again
    page.get_by_label("Earlier").click()
    earlier = since - (until - since) / 2
    address = f"since={earlier:%Y-%m-%dT%H:%M}"
    expect(page).to_have_url(re.compile(address))
    page.go_back()
    expect(page).to_have_url(re.compile(f"since={since:%Y-%m-%dT%H:%M:%S}"))
    overview.await_charts(6)
    page.locator("#charts .js-plotly-plot .nsewdrag").first.dblclick()
    expect(page).to_have_url(overview.address)
    expect(page.locator("#range input[value='15m']")).to_be_checked()
    before = overview.chart("it._fullLayout.xaxis.range")
    await_condition(lambda: overview.chart("it._fullLayout.xaxis.range") != before, "the axis moves on with the time")


def test_a_time_is_chosen_by_its_ends_in_the_zone_that_is_shown(overview: Watched):
    page = overview.open("?range=5m")
    overview.await_charts(6)
    page.locator("#zone").get_by_text("UTC").click()
    expect(page.locator("#status")).to_contain_text("Times in UTC")

    def chart_end() -> datetime:
        return datetime.fromisoformat(overview.chart("it._fullLayout.xaxis.range[1]") + "Z")

    await_condition(lambda: abs(chart_end() - datetime.now(UTC)) < timedelta(seconds=60), "the chart is in UTC")

    page.get_by_role("button", name="From … to …").click()
    expect(page.get_by_text("Times are UTC.")).to_be_visible()
    since = page.locator("#between-since")
    expect(since).to_have_text(re.compile(r"\d\d \w{3} 20\d\d \d\d:\d\d:\d\d"))
    assert serious_violations(page) == []
    told = datetime.strptime(since.inner_text(), "%d %b %Y %H:%M:%S").replace(tzinfo=UTC)
    page.get_by_role("button", name="Show this time").click()

    expect(page).to_have_url(re.compile("since=.*zone=utc"))
    assert chosen_time(page)[0] == told
    assert chosen_time(page)[1] - told == timedelta(minutes=5)
    page.get_by_label("Back to what is now").click()
    expect(page).to_have_url(f"{overview.address}?range=5m&zone=utc")


def test_a_cell_a_name_and_a_bar_narrow_the_page_and_the_same_again_widens_it(overview: Watched):
    page = overview.open()
    overview.await_charts(6)
    cells = page.locator("#cells .cell")
    expect(cells).to_have_count(48)
    cell = page.get_by_role("button", name=re.compile("^Humidity at warehouse-north: "))
    cell.focus()

    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{overview.address}?type=humidity&location=warehouse-north")
    overview.await_charts(1)
    expect(page.locator("#alive-value")).to_have_text("1")
    expect(page.locator("#cells .cell:not(.away)")).to_have_count(1)
    expect(cells).to_have_count(48)
    # The focus is where it was, for who goes on by key.
    overview.await_change(overview.newest_point, "the newest point")
    expect(cell).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(overview.address)
    overview.await_charts(6)

    # A button that a tick replaces while it is pressed is clicked all the same.
    cell.hover()
    page.mouse.down()
    overview.await_change(overview.newest_point, "the newest point")
    page.mouse.up()
    expect(page).to_have_url(f"{overview.address}?type=humidity&location=warehouse-north")
    page.get_by_role("button", name="Clear filters").click()
    expect(page).to_have_url(overview.address)

    page.locator("#cells").get_by_role("button", name="warehouse-north", exact=True).click()
    expect(page).to_have_url(f"{overview.address}?location=warehouse-north")
    page.get_by_role("button", name="Clear filters").click()
    expect(page).to_have_url(overview.address)
    expect(page.get_by_role("button", name="Clear filters")).to_be_hidden()

    # By its name: their order is that of the numbers, which change.
    place = page.locator("#places .bar-name").first.inner_text()
    page.locator("#places").get_by_role("button", name=f"{place}:").click()
    expect(page).to_have_url(f"{overview.address}?location={place}")
    page.go_back()
    expect(page).to_have_url(overview.address)


def test_what_is_shown_is_saved_as_csv_that_is_no_formula_and_as_a_picture(overview: Watched):
    page = overview.open("?range=5m&refresh=0&type=humidity&type=voltage")
    overview.await_charts(2)
    expect(page.locator("#status")).to_contain_text("As of ")
    before = overview.newest_point()

    with page.expect_download() as charts:
        page.locator("#charts-csv").click()
    with page.expect_download() as cells:
        page.locator("#cells-csv").click()
    with page.expect_download() as picture:
        page.locator("#charts-png").click()

    rows = list(csv.DictReader(charts.value.path().read_text("utf-8-sig").splitlines()))
    assert {one["type"] for one in rows} == {"humidity", "voltage"}
    line = overview.chart("it.data[1].y")
    assert [float(one["mean"]) for one in rows if one["type"] == "humidity"] == [y for y in line if y is not None]
    newest = max(datetime.fromisoformat(one["time"]) for one in rows if one["type"] == "humidity")
    assert abs(newest.timestamp() + 9 * 3600 - before / 1000) < 1
    assert len(cells.value.path().read_text("utf-8-sig").splitlines()) == 49
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")
    assert picture.value.suggested_filename.startswith("readings-")

    nasty = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'a "b", c', "plain", -1.5, None]
    with page.expect_download() as made:
        page.evaluate("cells => dashboardTools.csv('nasty', ['of'], cells.map(one => [one]))", nasty)
    safe = made.value.path().read_bytes().decode("utf-8-sig")
    assert safe == ('of\r\n\'=1+1\r\n\'+1\r\n\'-1\r\n\'@x\r\n\'\tx\r\n"\'\rx"\r\n"a ""b"", c"\r\nplain\r\n-1.5\r\n\r\n')

    # Nothing was asked for meanwhile, and once when it is wished.
    assert overview.newest_point() == before
    asked = overview.text("status")
    page.get_by_label("Ask for news now").click()
    expect(page.locator("#status")).not_to_have_text(asked)


def test_alarms_are_acknowledged_with_name_and_note_and_stay_so(overview: Watched, live: Store):
    page = overview.open()
    boxes = page.locator("#alarms .ag-row[row-index] .ag-selection-checkbox input")
    expect(boxes.nth(1)).to_be_attached()
    button = page.locator("#acknowledge")
    expect(button).to_be_disabled()
    page.locator("#live").uncheck(force=True)
    expect(page.locator("#status")).to_contain_text("Paused at")
    # By their names: what was on its way when the page was paused may still move the rows.
    lines = page.locator("#alarms .ag-center-cols-container .ag-row")
    chosen = lines.evaluate_all("rows => rows.slice(0, 2).map(row => row.getAttribute('row-id'))")
    for name in chosen:
        page.locator(f"#alarms .ag-row[row-id='{name}'] .ag-selection-checkbox input").check()

    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Note (optional)").fill("seen, fan is being mended")
    expect(button).to_have_text("Acknowledge 2")
    button.click()

    expect(page.get_by_text("2 alarms")).to_be_visible()
    stored = {one["_id"]: one for one in live.collection("alarms").find({"acknowledged.by": "Ada"})}
    assert len(stored) == 2
    assert {one["acknowledged"]["note"] for one in stored.values()} == {"seen, fan is being mended"}
    expect(page.locator(f"#alarms .ag-row[row-id='{chosen[0]}']")).to_have_count(0)
    page.locator("#alarms-shown").get_by_text("All", exact=True).click()
    expect(page.locator("#alarms .ag-cell[col-id=acknowledged]", has_text="Ada").first).to_be_visible()
    page.reload()
    expect(page.get_by_label("Your name")).to_have_value("Ada")


def test_a_chart_shows_the_browsers_local_time_and_the_zone_is_named(overview: Watched):
    overview.open()
    overview.await_charts(6)

    expect(overview.page.locator("#status")).to_contain_text("Asia/Tokyo")
    end = datetime.fromisoformat(overview.chart("it._fullLayout.xaxis.range[1]"))
    assert abs(end - datetime.now(TOKYO).replace(tzinfo=None)) < timedelta(seconds=60)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible_and_fits_a_desk_and_a_phone_in_both_themes(overview: Watched, theme: str):
    page = overview.open(f"?theme={theme}&alarms=all")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", theme)

    overview.await_charts(6)
    page.locator("#alarms").scroll_into_view_if_needed()
    expect(page.locator("#alarms .ag-row").first).to_be_visible()

    check_looks(page, f"overview-{theme}")


def test_the_theme_follows_the_system_until_one_is_chosen(overview: Watched):
    overview.page.emulate_media(color_scheme="dark")
    page = overview.open()
    overview.await_charts(6)
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    dark = overview.chart("it._fullLayout.font.color")

    page.locator("#theme-choice").get_by_text("Light", exact=True).click()

    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    await_condition(lambda: overview.chart("it._fullLayout.font.color") != dark, "the charts are drawn anew")
    expect(page).to_have_url(f"{overview.address}?theme=light")


def test_an_empty_database_tells_how_to_fill_it(page: Page, target: Store, serve: Serve):
    watched = Watched(page, serve(target.uri, target.database))
    watched.watch()

    watched.open()

    banner = page.locator("#banner")
    expect(banner).to_contain_text("python spark_job.py python producer.py --sensors 1000 --rate 1000")
    expect(page.locator("#charts")).to_contain_text("No readings yet")
    expect(page.locator("#alarms")).to_contain_text("No alarms")

    # and when the Spark job looks for readings, and finds none
    report(target, rows=0)

    expect(banner).to_contain_text("No readings yet: start a producer with")
    assert watched.problems == []


def report(target: Store, **figures: Any) -> None:
    """Write what the readings query reports of a batch."""
    about = {"query": "readings", "query_id": "q", "batch_id": 1, "at": datetime.now(UTC), "state": "running"}
    store_progress.write_progress(target, {**about, **figures}, {})


def test_old_readings_are_said_to_be_stale(page: Page, target: Store, serve: Serve):
    at = datetime.now(UTC) - timedelta(minutes=7, seconds=30)
    sensor: dict[str, Any] = {
        "_id": "sensor_1",
        "timestamp": at,
        "event_id": b"0" * 16,
        "sensor_type": "humidity",
        "location": "office-lab",
        "value": 1.0,
        "stored_at": at,
    }
    target.collection("sensors").insert_one(sensor)
    watched = Watched(page, serve(target.uri, target.database))

    watched.open()

    expect(page.locator("#banner")).to_have_text(re.compile("newest reading is 7 min old"))
    expect(page.locator("#alive-value")).to_have_text("0")
    expect(page.locator("#panels")).to_have_class(re.compile("is-stale"))

    # and where new ones stay is told as well
    banner = page.locator("#banner")
    expect(banner).to_contain_text("the Spark job is not heard of")
    report(target, rows=5)
    expect(banner).to_contain_text("the Spark job is behind")
    report(target, state="waiting")
    expect(banner).to_contain_text("the Spark job waits for a server")
    report(target, rows=0)
    expect(banner).to_contain_text("See that a producer runs")

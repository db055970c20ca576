"""The page in a browser, over a database that moves."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from browsing import Serve, Watched, choose, serious_violations
from harness import await_condition
from playwright.sync_api import Page, expect

from pipeline import store_progress
from pipeline.store import Store

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


def test_zoom_is_kept_while_the_data_moves_and_a_double_click_undoes_it(overview: Watched):
    page = overview.open()
    overview.await_charts(6)
    plot = page.locator("#charts .js-plotly-plot .nsewdrag").first
    box = plot.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=5)
    page.mouse.up()
    await_condition(lambda: not overview.chart("it.layout.xaxis.autorange"), "the chart is zoomed")
    zoomed = overview.chart("it.layout.xaxis.range")

    overview.await_change(overview.newest_point, "the newest point")

    assert overview.chart("it.layout.xaxis.range") == zoomed
    plot.dblclick()
    await_condition(lambda: bool(overview.chart("it.layout.xaxis.autorange")), "the whole range is back")
    before = overview.chart("it.layout.xaxis.range")
    await_condition(lambda: overview.chart("it.layout.xaxis.range") != before, "the axis moves on with the time")


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
    shown = overview.newest_point() / 1000 - datetime.now(UTC).timestamp()
    assert abs(shown - 9 * 3600) < 120
    # Not only what the chart is given, but what it makes of it.
    end = datetime.fromisoformat(overview.chart("it.layout.xaxis.range[1]")).replace(tzinfo=UTC)
    assert abs((end - datetime.now(UTC)).total_seconds() - 9 * 3600) < 120


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible_and_fits_a_desk_and_a_phone_in_both_themes(overview: Watched, theme: str):
    page = overview.open(f"?theme={theme}&alarms=all")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", theme)

    for width in (1440, 375):
        page.set_viewport_size({"width": width, "height": 812})

        overview.await_charts(6)
        expect(page.locator("#alarms .ag-row").first).to_be_visible()
        fits = partial(page.evaluate, "document.documentElement.scrollWidth === innerWidth")
        await_condition(fits, "nothing scrolls sideways")
        assert serious_violations(page) == []


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

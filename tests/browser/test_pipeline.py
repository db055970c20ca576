"""The page about the pipeline in a real browser: over a job that goes on, and over an empty database."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import Serve, Watched, check_looks, drag, serious_violations
from conftest import feeding
from harness import LocalMongod, await_condition
from pipeline_data import LETTERS, SimulatedJob
from playwright.sync_api import Page, expect

from pipeline import store
from pipeline.store import Store

CHARTS = ("latency", "rate", "lag", "batch", "behind", "losses")
LEGS = ("to_broker", "to_spark", "to_store")


@pytest.fixture(scope="module")
def job(mongod: LocalMongod) -> Iterator[Store]:
    """A database with what a job of ten minutes has left, which goes on."""
    name = f"test_{secrets.token_hex(6)}"
    target = store.ensure(mongod.uri, name)
    simulated = SimulatedJob(target, datetime.now(UTC), 600.0)
    simulated.write()
    with feeding(simulated):
        yield target
    target.open().client.drop_database(name)


@pytest.fixture
def watched(page: Page, job: Store, serve: Serve) -> Iterator[Watched]:
    """The page, not yet opened; the browser must not complain."""
    found = Watched(page, serve(job.uri, job.database) + "pipeline/")
    found.watch()
    yield found
    assert found.problems == []


def milliseconds(text: str) -> float:
    """A time as the page shows it: "5.2 ms", "1.11 s"."""
    value, unit = text.split()
    return float(value) * {"ms": 1, "s": 1000}[unit]


def traces(page: Page, chart: str) -> list[str]:
    names: list[str] = page.locator(f"#{chart}-chart .js-plotly-plot").evaluate("it => it.data.map(one => one.name)")
    return names


def test_the_way_of_a_reading_its_parts_and_charts_are_shown(watched):
    # given
    page = watched.open("?range=5m&theme=light")

    # then: every part is well, every leg has its time, the longest is the wait for a batch
    expect(page.locator(".node")).to_have_count(5)
    expect(page.locator(".node.good")).to_have_count(5)
    broker, spark, mongo = (milliseconds(text) for text in page.locator("[data-leg] .leg-value").all_inner_texts())
    assert broker < mongo < spark < 3000
    assert re.search(r"half within 1\.\d+ s, 95 % within 2\.\d+ s", watched.text("way-note"))
    expect(page.locator("#todo")).to_be_empty()

    # and what the browser itself measures follows
    screen = page.locator(".leg").last
    expect(screen.locator(".leg-rest")).to_contain_text("p95")
    assert 0 < milliseconds(screen.locator(".leg-value").inner_text()) < 60_000

    # and every chart is drawn
    for chart in CHARTS:
        expect(page.locator(f"#{chart}-chart .js-plotly-plot")).to_have_count(1)
    assert traces(page, "lag") == [f"partition {number}" for number in range(3)]
    assert traces(page, "batch") == ["readings", "windows", "trigger"]
    assert traces(page, "behind") == ["windows"]
    assert set(traces(page, "losses")) <= {"not_json", "bad_field", "not_utf8", "late"}
    expect(page.locator("#queries tbody tr")).to_have_count(3)
    expect(page.locator("#holdings tbody tr")).to_have_count(8)

    # when a leg is chosen, the chart shows it, the address says so, and a second click takes it back
    page.locator("[data-leg=to_store]").click()
    expect(page).to_have_url(re.compile("leg=to_store"))
    expect(page.locator("#latency-chart .ytick text").last).to_contain_text("ms")
    page.locator("#lag-of").get_by_text("windows").click()
    expect(page).to_have_url(re.compile("lag=windows"))
    page.reload()
    expect(page.locator("[data-leg=to_store]")).to_have_attribute("aria-pressed", "true")
    page.locator("[data-leg=to_store]").click()
    expect(page).not_to_have_url(re.compile("leg="))
    assert serious_violations(page) == []

    # when a part of a chart is chosen by the mouse, it becomes the time that is looked at
    drag(page, "#rate-chart", 0.3, 0.7)
    expect(page).to_have_url(re.compile("since=.*until="))
    ends = parse_qs(urlsplit(page.url).query)
    since, until = (datetime.fromisoformat(ends[name][0]) for name in ("since", "until"))
    assert 60 <= (until - since).total_seconds() < 200
    assert abs((datetime.now(UTC) - until).total_seconds()) < 300

    # and what is shown can be saved
    with page.expect_download() as saved:
        page.get_by_label("Save what the charts show as a CSV file").click()
    head, first, *_ = saved.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert head.startswith("at,query,rate,")
    assert since.isoformat()[:13] in first

    # a week is longer than batches are kept
    for theme in ("light", "dark"):
        page.goto(f"{watched.address}?range=7d&theme={theme}")
        expect(page.locator("#kept")).to_contain_text("kept for 1 day")
        expect(page.locator(".node.good")).to_have_count(5)
        check_looks(page, f"pipeline-{theme}")


def test_dead_letters_are_looked_at_safely_and_chosen_by_their_reason(watched):
    # given a telephone
    watched.page.set_viewport_size({"width": 375, "height": 800})
    page = watched.open("?reason=bad_field")

    # then
    rows = page.locator("#letters .ag-center-cols-container .ag-row")
    expect(page.locator("#letters-note")).to_have_text("10 stored")
    expect(page.locator("#remedy")).to_contain_text("python consumer.py --dead-letters --reason bad_field --replay")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    # when one is chosen: what it holds is text, and does nothing
    page.locator("#letters").scroll_into_view_if_needed()
    shown = page.locator("#letter-shown")

    def is_shown() -> bool:
        # The grid forgets what is chosen at the very moment in which it is given other rows.
        rows.first.click()
        return shown.locator("pre").count() > 0

    await_condition(is_shown, "the message that was chosen")
    expect(shown.locator("pre").first).to_have_text(
        r'{"sensor_id": "sensor_7", "value": "21,4 \u202e\x1b[2J", "note": "<b>=A(1)</b>"}'
    )
    expect(shown.locator("b")).to_have_count(1)
    expect(shown.locator(".hex")).to_contain_text("00000020  22 3a 20")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    # when all are looked at
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator("#reason").hover()
    page.get_by_label("Clear the reason").click()
    expect(page).not_to_have_url(re.compile("reason="))
    expect(page.locator("#letters-note")).to_have_text("60 stored")
    page.get_by_role("combobox", name="Reason").or_(page.locator("#reason")).first.click()
    expect(page.get_by_role("option")).to_have_text([f"{code} (10)" for code in sorted(LETTERS)])
    page.get_by_role("option", name="not_utf8").click()
    expect(page).to_have_url(re.compile("reason=not_utf8"))
    await_condition(lambda: "7b 22 73" in rows.first.inner_text(), "bytes that are no text in hex")
    page.keyboard.press("Escape")
    assert serious_violations(page) == []


def test_a_database_that_nobody_has_filled_says_what_to_start(page, target, serve):
    watched = Watched(page, serve(target.uri, target.database) + "pipeline/")
    watched.watch()
    watched.open()

    expect(page.locator(".node.unknown")).to_have_count(3)
    expect(page.locator("#todo")).to_contain_text("python spark_job.py")
    expect(page.locator("#way-note")).to_have_text("No reading was stored in this time.")
    expect(page.locator("#letters .ag-overlay")).to_contain_text("No dead letters")
    assert [page.locator(f"#{chart}-legend").inner_text() for chart in CHARTS] == ["Nothing to show."] * 6
    assert watched.problems == []


def test_the_state_of_a_backlog_is_told_by_its_size_as_its_rows_are_not_counted(page, target, serve):
    # given
    SimulatedJob(target, datetime.now(UTC), 60.0).write()
    target.open()["pipeline_progress"].update_many({"query": "windows"}, {"$unset": {"state_rows": ""}})

    # when
    Watched(page, serve(target.uri, target.database) + "pipeline/").open("?range=5m")

    # then
    states = page.locator("#queries td[data-label='State rows']")
    expect(states.filter(has_text=re.compile(r"^[0-9.]+ MB$"))).to_have_count(1)
    expect(states.filter(has_text=re.compile("^–$"))).to_have_count(2)

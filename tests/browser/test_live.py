"""The whole pipeline as `make demo` starts it, on its page and on its terminal."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta

import pytest
from browsing import Watched, serious_violations
from harness import Completed, await_condition
from jobs import START_SECONDS
from playwright.sync_api import Page, expect
from stacks import SERVICES, STOPPED, Stack
from stored import opened

from pipeline import options

pytestmark = [pytest.mark.timeout(3 * START_SECONDS), pytest.mark.usefixtures("fast_java")]

RATE = 300
FRESH = timedelta(seconds=10)


def is_at_work(stack: Stack) -> bool:
    """Whether readings are stored soon after they were sent, and windows are."""
    with opened(f"mongodb://127.0.0.1:{stack.mongo_port}", options.DATABASE.default) as database:
        newest = database["sensor_metrics"].find_one(sort={"timestamp": -1})
        window = database["windowed_metrics"].find_one()
    return bool(newest and window) and datetime.now(UTC) - newest["timestamp"] < FRESH


def test_the_page_and_the_terminal_show_what_the_whole_pipeline_does(stack: Stack, page: Page):
    script = stack.up("--sensors", 300, "--rate", RATE, "--services", *SERVICES)
    script.await_output("Open http://", seconds=START_SECONDS)
    # Spark's first batches take longest, and a browser that draws meanwhile would make them take longer.
    await_condition(lambda: is_at_work(stack), "Spark has stored all but the newest readings", START_SECONDS)
    watched = Watched(page, f"http://127.0.0.1:{stack.page_port}/")
    watched.watch()

    watched.open()

    await_condition(lambda: len(watched.charts()) == 6, "a chart for each type", START_SECONDS)
    await_condition(lambda: watched.text("alive-value") == "300", "every sensor has been read", START_SECONDS)
    watched.await_charts(6)
    about = "about the fleet's rate is shown"
    await_condition(lambda: RATE / 2 < watched.number("rate-value") < 2 * RATE, about, START_SECONDS)
    await_condition(lambda: watched.number("fresh-value") < 20, "the newest reading is fresh", START_SECONDS)
    await_condition(lambda: watched.number("open-value") > 0, "alarms are open")
    expect(page.locator("#alarms .ag-center-cols-container .ag-row").first).to_be_attached()
    for query in ("router", "readings", "windows"):
        # Behind, where the machine is busy, but at work.
        at_work = page.locator("#health li.good, #health li.warn")
        expect(at_work.filter(has=page.get_by_text(query.capitalize(), exact=True))).to_be_visible()
    watched.await_change(watched.newest_point, "the newest point")
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 375, "height": 800})
    # The charts are drawn anew for it.
    await_condition(lambda: page.evaluate("document.documentElement.scrollWidth") <= 375, "nothing scrolls sideways")
    assert watched.problems == []
    page.close()
    script.signal(signal.SIGINT)
    assert_it_told_all(stack, script.wait())
    assert stack.left() == []


def assert_it_told_all(stack: Stack, done: Completed) -> None:
    """The steps in order on stderr, the consumer's tables and the last sentence on stdout."""
    assert done.code == 0, done.stderr
    steps = re.findall(r"^  ✓ (\w+)", done.stderr, re.MULTILINE)
    assert steps == ["java", "jars", "jars", "classes", "mongod", *SERVICES, *STOPPED]
    # The first line of success is the page's address.
    first = next(line for line in done.stderr.splitlines() if line and not line.startswith(("Starting", "  ")))
    assert re.fullmatch(rf"Open http://127\.0\.0\.1:{stack.page_port}/ \(everything runs, after [\d.]+ s\)", first)
    assert f"broker  127.0.0.1:{stack.port}" in done.stderr
    assert f"mongodb mongodb://127.0.0.1:{stack.mongo_port} (for MongoDB Compass or mongosh)" in done.stderr
    assert done.stdout.startswith("-" * 70 + "\nTime: ")
    assert "Statistics by Sensor Name:" in done.stdout
    sentence = done.stdout.splitlines()[-1]
    counts = re.match(r"Ran for .+? s, ([\d,]+) sent, ([\d,]+) acknowledged, 0 failed, ([\d,]+) read; ", sentence)
    assert counts, sentence
    assert counts.group(1) == counts.group(2) != "0"
    assert "\x1b" not in done.stdout + done.stderr
    # The tables are in the consumer's log as well.
    assert "Statistics by Sensor Name:" in stack.run("logs", "consumer").stdout

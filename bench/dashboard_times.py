"""How soon the page is there, what a tick costs, and how long the browser takes to draw it.

The database is one of our own, with an hour of a fleet's windows; `--mongo-uri` and `--database` name another.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measuring
from browsing import Watched, launch_options
from dashboard_load import opened
from harness import Script, free_port, local_mongod
from live_data import LiveFleet
from playwright.sync_api import Browser, sync_playwright

from pipeline import store
from pipeline.catalog import Catalog
from pipeline.overview_snapshots import OverviewSnapshots
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.view import RANGES, View

TICKS = 10
# For each answer to a tick: how long after it the last chart was drawn.
DRAWING = """() => {
  window.plots = [];
  document.querySelectorAll(".js-plotly-plot").forEach((plot) =>
    plot.on("plotly_afterplot", () => window.plots.push(performance.now())));
}"""
DRAWN = """() => {
  const ticks = performance.getEntriesByType("resource")
    .filter((one) => one.name.includes("_dash-update-component")).map((one) => one.responseEnd);
  return ticks.map((at, n) => [at, window.plots.filter((t) => t > at && t < (ticks[n + 1] || Infinity)).pop()])
    .filter((one) => one[1]).map((one) => one[1] - one[0]);
}"""


@contextmanager
def filled(uri: str | None, database: str) -> Iterator[Store]:
    """The database that is given, or one of our own with an hour of data."""
    if uri:
        yield Store(uri, database)
        return
    with tempfile.TemporaryDirectory() as folder, local_mongod(Path(folder)) as server:
        target = store.ensure(server.uri, database)
        LiveFleet(target, sensors=432, rate=144.0, history=3600.0).feed()
        yield target


def ticks(target: Store) -> None:
    """The server's part of a tick."""
    for name, one in RANGES.items():
        snapshots = OverviewSnapshots(Sources(target, Catalog(), Rules(60, 60)))
        seconds = []
        for _ in range(TICKS):
            began = time.perf_counter()
            snapshots.make(View(range=name))
            seconds.append(time.perf_counter() - began)
        first, then = 1000 * seconds[0], 1000 * statistics.median(seconds[1:])
        print(f"tick, {one.label:>6}: first {first:5.0f} ms, then {then:5.0f} ms")


def page(browser: Browser, address: str, width: int) -> None:
    """The browser's part."""
    watched = Watched(browser.new_page(viewport={"width": width, "height": 900}), address)
    began = time.perf_counter()
    paint, figures = opened(watched)
    watched.await_charts(6)
    charts = time.perf_counter() - began
    watched.page.evaluate(DRAWING)
    for _ in range(TICKS):
        watched.page.wait_for_event("requestfinished", lambda one: one.method == "POST")
    drawn: list[Any] = watched.page.evaluate(DRAWN)
    print(
        f"{width:>4} px: first paint {paint:.0f} ms, figures {figures:.0f} ms, charts {1000 * charts:.0f} ms; "
        f"a tick is drawn {statistics.median(drawn):.0f} ms after its answer"
    )
    watched.page.close()


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongo-uri")
    parser.add_argument("--database", default="bench_dashboard")
    given = parser.parse_args()
    with filled(given.mongo_uri, given.database) as target, tempfile.TemporaryDirectory() as folder:
        ticks(target)
        port = free_port()
        words = ("dashboard.py", "--mongo-uri", target.uri, "--database", target.database, "--port", str(port))
        script = Script((*words, "--refresh", "1"), Path(folder), {}, Path(folder))
        try:
            script.await_output("serving the page")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(**launch_options())
                for width in (1440, 375):
                    page(browser, f"http://127.0.0.1:{port}/", width)
                browser.close()
        finally:
            script.end()
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

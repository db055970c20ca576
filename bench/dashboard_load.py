"""What the page costs with a day of a thousand sensors behind it, and 1,000 readings a second that come in meanwhile.

For each page, with one viewer and with ten: how long a refresh takes, what it weighs, and what it asks of MongoDB; then
how soon a browser shows it. Viewers ask as browsers do, over connections that are kept. `--mongo-uri` names a server
that already has a day (tests/day_data.py).
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import measuring
import page_callbacks
import psutil
from browsing import Watched, launch_options
from day_data import PastDay
from harness import Script, free_port, local_mongod
from page_callbacks import Callback
from playwright.sync_api import sync_playwright
from scraping import Scraped, scrape

from pipeline import options, store, web
from pipeline.metrics_page import QUESTIONS
from pipeline.store import Store
from pipeline.view import RANGES, View

REFRESH = options.REFRESH.default
# What the viewers look at: all the first one, or each the next.
VIEWS = (
    View(),
    View(range="1h"),
    View(range="24h"),
    View(types=("temperature",)),
    View(locations=("factory-floor-a1",), range="6h"),
)


@dataclass(frozen=True)
class Ticked:
    """The refreshes of all viewers: seconds and bytes on the wire of each, and bytes before compression."""

    seconds: list[float]
    sizes: list[int]
    lengths: list[int]
    are_whole: list[bool]


class Viewer:
    """A browser as far as the server sees it: one connection that is kept."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, path: str, body: Any = None) -> tuple[bytes, int]:
        """The answer's content, and its size on the wire."""
        headers = {"Accept-Encoding": "gzip", "Content-Type": "application/json"}
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
        self.connection.request(method, path, content, headers)
        answer = self.connection.getresponse()
        found = answer.read()
        assert answer.status == 200, (path, answer.status, found)
        return gzip.decompress(found) if answer.headers["Content-Encoding"] == "gzip" else found, len(found)

    def callbacks(self, page: str) -> list[Callback]:
        return page_callbacks.of_page(page, lambda path: json.loads(self.ask(path)[0]))


def watch(port: int, page: str, view: View, phase: float, seconds: float) -> list[tuple[float, int, int, bool]]:
    """Tick for a while, from `phase` (0 to 1) of an interval on; what `Ticked` has, tick by tick."""
    viewer = Viewer(port)
    viewer.ask(page)
    [tick] = [one for one in viewer.callbacks(page) if one.is_tick]
    body = tick.body(view)
    # The first tick of a view reads what the later ones keep.
    viewer.ask(tick.path, body)
    ticks = []
    start = time.monotonic() + phase * REFRESH
    for number in range(int(seconds / REFRESH)):
        time.sleep(max(start + number * REFRESH - time.monotonic(), 0))
        began = time.perf_counter()
        content, size = viewer.ask(tick.path, body)
        passed = time.perf_counter() - began
        ticks.append((passed, size, len(content), b'"snapshot"' in content))
    return ticks


def load(port: int, page: str, viewers: int, seconds: float, *, alike: bool) -> Ticked:
    """The refreshes of so many viewers at once, who come at different moments."""
    with ThreadPoolExecutor(viewers) as pool:
        found = [
            pool.submit(watch, port, page, VIEWS[0 if alike else n % len(VIEWS)], n / viewers, seconds)
            for n in range(viewers)
        ]
        ticks = [tick for one in found for tick in one.result()]
    return Ticked(*map(list, zip(*ticks, strict=True)))


@dataclass
class Served:
    """The page's server at work, and the server behind it."""

    script: Script
    port: int
    metrics_port: int
    mongod: psutil.Process | None

    def cost(self) -> tuple[float, float, Scraped]:
        """Processor seconds of both so far, and the metrics."""
        own = sum(psutil.Process(self.script.pid).cpu_times()[:2])
        mongod = sum(self.mongod.cpu_times()[:2]) if self.mongod else float("nan")
        return own, mongod, scrape(self.metrics_port)


@contextmanager
def served(target: Store, folder: Path) -> Iterator[Served]:
    """The page's server, with the page ticking every REFRESH seconds."""
    port, metrics_port = free_port(), free_port()
    words = ("dashboard.py", "--mongo-uri", target.uri, "--database", target.database, "--port", str(port))
    more = ("--metrics-port", str(metrics_port), "--refresh", str(REFRESH))
    script = Script((*words, *more), folder, {}, folder)
    try:
        script.await_output("serving the page")
        yield Served(script, port, metrics_port, _server_of(target))
    finally:
        script.end()


def _server_of(target: Store) -> psutil.Process | None:
    """The mongod behind a database, if it runs on this machine."""
    port = int(target.address.rpartition(":")[2])
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            return psutil.Process(one.pid)
    return None


def refreshes(running: Served, page: str, viewers: int, seconds: float, *, alike: bool) -> None:
    """Measure and print a line."""
    began, before = time.monotonic(), running.cost()
    ticked = load(running.port, page, viewers, seconds, alike=alike)
    passed, after = time.monotonic() - began, running.cost()
    milliseconds = sorted(1000 * one for one in ticked.seconds)
    p95 = milliseconds[min(int(0.95 * len(milliseconds)), len(milliseconds) - 1)]
    asked = after[2].total(f"{QUESTIONS.name}_count") - before[2].total(f"{QUESTIONS.name}_count")
    print(
        f"{page:<12} {viewers:>2} viewers, {'one view' if alike else 'five views'}: refresh p50 "
        f"{statistics.median(milliseconds):4.0f} ms, p95 {p95:4.0f} ms, worst {milliseconds[-1]:4.0f} ms; "
        f"{statistics.mean(ticked.sizes) / 1000:6.1f} kB ({statistics.mean(ticked.lengths) / 1000:.1f} kB of JSON); "
        f"{asked / len(milliseconds):4.1f} commands to MongoDB; processor of the page "
        f"{100 * (after[0] - before[0]) / passed:3.0f} %, of mongod {100 * (after[1] - before[1]) / passed:3.0f} %; "
        f"{len(milliseconds) - sum(ticked.are_whole)} of {len(milliseconds)} without an answer of MongoDB",
        flush=True,
    )


def slowest(running: Served) -> None:
    """Print the questions that took MongoDB longest in all."""
    shown = scrape(running.metrics_port)
    total: dict[str, float] = {}
    count: dict[str, float] = {}
    for (name, labels), value in shown.samples.items():
        question = dict(labels).get("question", "")
        if name == f"{QUESTIONS.name}_sum":
            total[question] = total.get(question, 0.0) + value
        elif name == f"{QUESTIONS.name}_count":
            count[question] = count.get(question, 0.0) + value
    for question in sorted(total, key=lambda one: -total[one])[:10]:
        mean = 1000 * total[question] / count[question]
        print(f"  {question}: {count[question]:.0f} commands, {mean:.1f} ms each, {total[question]:.1f} s in all")


def opened(watched: Watched) -> tuple[float, float]:
    """Open a page: the milliseconds to its first paint, and to its first figures."""
    began = time.perf_counter()
    watched.open()
    figures = time.perf_counter() - began
    paint = watched.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return float(paint), 1000 * figures


def paints(port: int, pages: Sequence[str]) -> None:
    """How soon a browser that has never been here shows each page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        for page in pages:
            watched = Watched(
                browser.new_page(viewport={"width": 1440, "height": 900}), f"http://127.0.0.1:{port}{page}"
            )
            paint, figures = opened(watched)
            print(f"{page:<12} first paint {paint:.0f} ms, first figures {figures:.0f} ms", flush=True)
            watched.page.close()
        browser.close()


@contextmanager
def feeding(target: Store, folder: Path) -> Iterator[None]:
    """1,000 readings a second of 1,000 sensors, as the Spark job writes them."""
    words = ("tests/live_data.py", "--mongo-uri", target.uri, "--database", target.database, "--history", "60")
    fleet = ("--sensors", "1000", "--rate", "1000", "--anomaly-rate", "0.05")
    paths = ":".join(str(Path(__file__).parents[1] / part) for part in ("", "tests"))
    script = Script((*words, *fleet), folder, {"PYTHONPATH": paths}, folder)
    try:
        yield
        assert script.process.poll() is None, script.stderr
    finally:
        script.end()


@contextmanager
def day(uri: str | None, database: str, hours: float) -> Iterator[Store]:
    """A database with a day of data: the one that is given, or one of our own."""
    if uri:
        yield Store(uri, database)
        return
    kept = ("--setParameter", "ttlMonitorEnabled=false")
    with tempfile.TemporaryDirectory() as folder, local_mongod(Path(folder), options=kept) as server:
        target = store.ensure(server.uri, database)
        began = time.monotonic()
        PastDay(target, datetime.now(UTC), readings_hours=hours).write()
        print(f"a day was written in {time.monotonic() - began:.0f} s", flush=True)
        yield target


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongo-uri")
    parser.add_argument("--database", default="bench_day")
    parser.add_argument("--readings-hours", type=float, default=0.25)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each run of viewers lasts")
    parser.add_argument("--pages", nargs="+", default=[page.path for page in web.PAGES])
    given = parser.parse_args()
    assert all(view.range in RANGES for view in VIEWS)
    with (
        day(given.mongo_uri, given.database, given.readings_hours) as target,
        tempfile.TemporaryDirectory() as scratch,
        feeding(target, Path(scratch)),
        served(target, Path(scratch)) as running,
    ):
        for page in given.pages:
            for viewers, alike in ((1, True), (10, True), (10, False)):
                refreshes(running, page, viewers, given.seconds, alike=alike)
        slowest(running)
        paints(running.port, given.pages)
    return 0


if __name__ == "__main__":
    sys.exit(measuring.run(main))

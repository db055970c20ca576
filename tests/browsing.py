"""A page in a browser, as the tests look at it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from harness import await_condition
from playwright.sync_api import Page, Request, expect

# Five times what is usual on a busy machine with two cores.
expect.set_options(timeout=60_000)

CHROMIUM = Path("/usr/bin/chromium")
# What the pages looked like when they were tested last.
SCREENSHOTS = Path(__file__).parents[1] / ".runtime" / "screenshots"
Serve = Callable[..., str]


def launch_options() -> dict[str, Any]:
    """Debian's chromium where it is installed, else Playwright's own."""
    options: dict[str, Any] = {"executable_path": str(CHROMIUM)} if CHROMIUM.exists() else {}
    # Chromium's sandbox does not run for root.
    return {**options, "args": ["--no-sandbox"]} if os.geteuid() == 0 else options


@dataclass
class Watched:
    """A browser's page; `problems` is what it complained of, `hosts` whom it asked for anything."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def watch(self) -> None:
        """Note from now on what goes wrong."""
        self.page.on(
            "console",
            lambda said: self.problems.append(said.text) if said.type in {"error", "warning"} else None,
        )
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._note_host)

    def _note_host(self, asked: Request) -> None:
        # What the page makes itself (blob:, data:) has no host.
        if host := urlsplit(asked.url).netloc:
            self.hosts.add(host)

    def open(self, query: str = "") -> Page:
        """Open the page, and wait until it has drawn."""
        self.page.goto(self.address + query)
        expect(self.page.locator("#panels:not(.is-loading)")).to_be_attached()
        return self.page

    def text(self, identity: str) -> str:
        return self.page.locator(f"#{identity}").inner_text()

    def number(self, identity: str) -> float:
        shown = self.text(identity).replace(",", "").rstrip("+ s")
        return float(shown) if shown != "–" else float("nan")

    def charts(self) -> list[str]:
        """The titles of the charts that are shown."""
        return self.page.locator("#charts h3").all_inner_texts()

    def await_charts(self, count: int) -> None:
        expect(self.page.locator("#charts h3")).to_have_count(count)
        expect(self.page.locator("#charts .js-plotly-plot .scatterlayer .trace")).to_have_count(2 * count)

    def chart(self, expression: str, number: int = 0) -> Any:
        """A JavaScript expression of a chart, which is `it` there."""
        plots = self.page.locator("#charts .js-plotly-plot")
        return plots.nth(number).evaluate(f"it => {expression}")

    def newest_point(self) -> float:
        """The newest point's time on the first chart as it is shown, milliseconds since 1970 in the page's zone."""
        return float(self.chart("Math.max(...it.data[1].x.filter(Boolean).map((at) => Date.parse(at + 'Z')))"))

    def drag(self, begin: float, end: float) -> None:
        """Drag across the first chart from one part of its width to another one, 0 to 1."""
        drag(self.page, "#charts .js-plotly-plot", begin, end)

    def await_change(self, read: Callable[[], Any], what: str) -> Any:
        """Wait until what is read differs from what it is now; returns the new value."""
        before = read()
        await_condition(lambda: read() != before, f"{what} changes from {before!r}")
        return read()


def drag(page: Page, chart: str, begin: float, end: float) -> None:
    """Drag across a chart from one part of its width to another one, 0 to 1."""
    area = page.locator(f"{chart} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=5)
    page.mouse.up()


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a filter, by hand."""
    page.get_by_label(label, exact=True).first.click()
    page.get_by_role("option", name=option).click()
    page.keyboard.press("Escape")


def check_looks(page: Page, name: str) -> None:
    """What everybody must be able to use, on a desk and on a telephone; a picture of each is kept in SCREENSHOTS."""
    for width, height in ((1440, 900), (375, 812)):
        page.set_viewport_size({"width": width, "height": height})
        fits = partial(page.evaluate, "document.documentElement.scrollWidth === innerWidth")
        await_condition(fits, "nothing scrolls sideways")
        # A grid shows what it holds when it is seen.
        for grid in page.locator("#alarms, #letters").all():
            grid.scroll_into_view_if_needed()
            expect(grid.locator(".ag-header-cell").first).to_be_visible()
        found = serious_violations(page)
        assert not found, found
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)


def serious_violations(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds serious or critical: the rule, and the first elements that break it."""
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in {"serious", "critical"}]
    return [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in grave]

"""Logging in, in a browser."""

from __future__ import annotations

from pathlib import Path

from browsing import Serve, serious_violations
from playwright.sync_api import Page, expect

from pipeline import page_users
from pipeline.store import Store

PASSWORD = "correct horse battery"


def test_one_logs_in_works_under_that_name_and_logs_out(page: Page, live: Store, serve: Serve, tmp_path: Path):
    users = tmp_path / "users.txt"
    page_users.add(users, "ada", PASSWORD)
    address = serve(live.uri, live.database, "--users", str(users), "--login-hint", "Ask Bob")

    page.goto(f"{address}?range=5m")

    expect(page).to_have_title("Log in")
    expect(page.get_by_text("Ask Bob")).to_be_visible()
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 375, "height": 812})
    assert page.evaluate("document.documentElement.scrollWidth") == 375

    # when the password is wrong at first
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill("battery staple")
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("User or password is wrong.")
    expect(page.get_by_label("User")).to_have_value("ada")
    assert serious_violations(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()

    # then what was asked for is there, and the name is that of who has logged in
    expect(page).to_have_url(f"{address}?range=5m")
    expect(page.locator("#charts .js-plotly-plot")).to_have_count(6)
    expect(page.get_by_label("Your name")).to_have_value("ada")
    expect(page.get_by_label("Your name")).to_have_attribute("readonly", "")
    # The grid shows what it holds when it is seen.
    page.locator("#alarms").scroll_into_view_if_needed()
    expect(page.locator("#alarms .ag-header-cell").first).to_be_visible()
    assert serious_violations(page) == []

    page.get_by_role("button", name="Log out").click()

    expect(page).to_have_title("Log in")
    page.goto(address)
    expect(page).to_have_title("Log in")

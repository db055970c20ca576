"""Tells the metrics of each request that the page's server answers."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from typing import Any

from flask import Flask, Response, g, request

from pipeline import web_health, web_login
from pipeline.metrics_page import PageFigures
from pipeline.pages.frame import TICK, VIEWER

_TOKEN = re.compile(r"[0-9a-f]{16}\Z")


def add_to(server: Flask, figures: PageFigures, pages: Collection[str], callbacks: Mapping[str, Any]) -> None:
    """Watch a server with these pages, whose callbacks are posted to these paths."""
    known = dict.fromkeys(pages, "page")
    known |= dict.fromkeys(web_health.HEALTH_PATHS, "health") | {web_health.METRICS_PATH: "metrics"}
    known |= dict.fromkeys((web_login.PATH, web_login.LEAVE_PATH), "login")
    page_of = {path: path.removesuffix("_dash-update-component") for path in callbacks}

    @server.before_request
    def _begin() -> None:
        g.began = time.perf_counter()

    @server.after_request
    def _end(response: Response) -> Response:
        page = page_of.get(request.path)
        what = "callback" if page else known.get(request.path) or _other(response)
        body = request.get_json(silent=True) if page and response.status_code < 400 else None
        if page and isinstance(body, dict) and body["output"] == TICK:
            what = "tick"
            figures.tick(page, _viewer(body), time.perf_counter() - g.began, response.content_length or 0)
        figures.request(what, response.status_code)
        return response


def _other(response: Response) -> str:
    """What a request for none of the known paths was; what is not there has no name of its own."""
    return "asset" if response.status_code < 400 else "other"


def _viewer(body: Mapping[str, Any]) -> str:
    """The mark of the page in a browser that ticks; one of our own making, or none."""
    for one in body["state"]:
        if one["id"] == VIEWER and _TOKEN.match(str(one.get("value"))):
            return str(one["value"])
    return ""

"""The web server: which requests are answered, with which headers, and the pages it serves.

Without users the page asks for no password, so it answers this machine alone: it listens on a loopback address, and a
request that names another host (DNS rebinding) is refused. One that comes from another site is refused always.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from dash import Dash
from dash.exceptions import DependencyException
from flask import Flask, Response, abort, redirect, request
from werkzeug import Response as BaseResponse
from werkzeug.exceptions import HTTPException

from pipeline import web_compression, web_health, web_login, web_observer
from pipeline.metrics_page import PageFigures
from pipeline.pages import alarms, frame, overview, pipeline, sensor
from pipeline.pages.page import Context, Page
from pipeline.snapshots import Question, Snapshots, Sources
from pipeline.store import Store
from pipeline.web_login import Login

log = logging.getLogger(__name__)

PAGES = (overview.PAGE, alarms.PAGE, sensor.PAGE, pipeline.PAGE)
ASSETS = Path(__file__).parent / "pages" / "assets"
# A tick sends a few hundred bytes, an acknowledgement of many alarms their rows.
REQUEST_LIMIT = 500_000
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_FILES = ("/_dash-component-suites/", "/assets/")
_SERVED = ("/_dash-", "/assets/", "/_favicon.ico", "/_reload-hash")


def snapshots_of_pages(sources: Sources, fresh_for: float) -> Snapshots:
    """What the pages show, made anew after `fresh_for` seconds when it is asked for."""
    questions = {page.path: Question(page.snapshot(sources), page.fields) for page in PAGES}
    return Snapshots(sources, questions, fresh_for)


def build(
    store: Store,
    snapshots: Snapshots,
    refresh: float,
    *,
    login: Login | None = None,
    figures: PageFigures | None = None,
    debug: bool = False,
) -> Flask:
    """The server with its pages, which tick every `refresh` seconds, and what web_health.py answers.

    With `login` one has to log in; `figures` are told of each request. Nothing is opened before a request comes.
    """
    figures = figures or PageFigures(store, snapshots)
    context = Context(store, snapshots, refresh, user=web_login.user)
    server = Flask("dashboard", static_folder=None)
    server.config["MAX_CONTENT_LENGTH"] = REQUEST_LIMIT
    if login:
        login.add_to(server)
    apps = [_app(server, context, page) for page in PAGES]
    policy = _policy(apps)
    pages = {page.path for page in PAGES}
    paths = {
        *pages,
        *web_health.HEALTH_PATHS,
        web_health.METRICS_PATH,
        *((web_login.PATH, web_login.LEAVE_PATH) if login else ()),
    }
    callbacks = {f"{page.path}_dash-update-component": _answered(app) for page, app in zip(PAGES, apps, strict=True)}

    @server.before_request
    def _guard() -> BaseResponse | None:
        require_own_site(request.host, request.headers.get("Origin"))
        if login is None:
            require_local(request.host)
        path = request.path
        if f"{path}/" in pages:
            # As people type it.
            return redirect(f"{path}/?{request.query_string.decode()}".rstrip("?"), 308)
        if path not in paths and not any(
            path.startswith(f"{page.path}{part[1:]}") for page in PAGES for part in _SERVED
        ):
            abort(404, f"There is no such page; there are {', '.join(page.path for page in PAGES)}.")
        if login and (answer := login.require(path in pages)):
            return answer
        if path in callbacks and request.method == "POST":
            require_known_callback(_body(), callbacks[path])
        return None

    # Of these the last sees an answer first, so that one is weighed as it leaves.
    web_observer.add_to(server, figures, pages, callbacks)
    web_compression.add_to(server, _FILES)

    @server.after_request
    def _headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        # With "no-referrer" browsers hide from us as well where a form comes from.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers.remove("Server-Timing")
        if request.path == frame.PLOTLY and "v" in request.args and response.status_code == 200:
            response.headers["Cache-Control"] = "max-age=31536000"
        return response

    @server.errorhandler(Exception)
    def _failed(error: Exception) -> Any:
        if isinstance(error, DependencyException):
            return Response("There is no such file.\n", status=404, mimetype="text/plain")
        if isinstance(error, HTTPException):
            return Response(f"{error.description}\n", status=error.code, mimetype="text/plain")
        log.error("%s %s: %s: %s", request.method, request.path, type(error).__name__, error, exc_info=debug)
        return Response("The server failed; its log says why.\n", status=500, mimetype="text/plain")

    web_health.add_to(server, figures)
    return server


class _Dash(Dash):
    """A page's app. All of them ask for scripts and styles under the first page's path, so that a browser keeps one."""

    def interpolate_index(self, *args: Any, **parts: Any) -> Any:
        """See Dash."""
        html = cast(Any, super()).interpolate_index(*args, **parts)
        for kind in ("_dash-component-suites/", "assets/"):
            html = html.replace(f'"{self.config.url_base_pathname}{kind}', f'"{PAGES[0].path}{kind}')
        return html


def _app(server: Flask, context: Context, page: Page) -> Dash:
    app: Dash = _Dash(
        "dashboard",
        server=cast(Any, server),
        title=f"{page.title} · Sensors",
        update_title="",
        url_base_pathname=page.path,
        assets_folder=str(ASSETS),
        serve_locally=True,
        use_pages=False,
        enable_mcp=False,
        add_log_handler=False,
        index_string=frame.index(),
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "color-scheme", "content": "light dark"},
        ],
    )
    # Made for each visit: it says who is logged in.
    places = [(other.path, other.title) for other in PAGES]
    app.layout = lambda: frame.layout(page, places, page.panels(context), context)
    # The charts come once it is known which there are.
    app.config.suppress_callback_exceptions = True
    frame.register(app, context, page)
    page.register(app, context)
    # Dash fills this from what was registered when the first request comes, which may be the one that is checked.
    app._setup_server()
    return app


def _answered(app: Dash) -> dict[str, Any]:
    """The callbacks that run here, by their output; the others are the browser's."""
    return {output: about for output, about in app.callback_map.items() if "callback" in about}


def _policy(apps: Sequence[Dash]) -> str:
    hashes = " ".join(dict.fromkeys(one for app in apps for one in app.csp_hashes()))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {hashes}",
            # Plotly, Mantine and AG Grid write their styles as they go.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def require_local(host: str) -> None:
    """Answer 403 unless a request names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    if name not in LOCAL_NAMES:
        abort(403, "This page answers to localhost alone; reach it from elsewhere by an SSH tunnel.")


def require_own_site(host: str, origin: str | None) -> None:
    """Answer 403 to a request from a page that is not ours; one that comes from no page at all is none."""
    try:
        same = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        same = False
    if not same:
        abort(403, "This request comes from another site.")


def _body() -> object:
    """A request's body; None where it is no JSON."""
    try:
        return request.get_json(silent=True)
    except RecursionError:
        abort(400, "This is nested too deeply.")


def require_known_callback(body: object, known: Mapping[str, Any]) -> None:
    """Answer 400 unless a request's body calls a callback of the page with the components that it has."""
    output = body.get("output") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(output, str) or output not in known:
        abort(400, "There is no such callback.")
    for part in ("inputs", "state"):
        if _places(body.get(part, [])) != _places(known[output][part]):
            abort(400, "These are not the callback's components.")
    outputs = body.get("outputs")
    joined = "...".join(_places(outputs)) if isinstance(outputs, list) else None
    if output != (f"..{joined}.." if joined is not None else "".join(_places([outputs]))):
        abort(400, "These are not the callback's outputs.")
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(one, str) for one in changed):
        abort(400, "These are no properties.")


def _places(given: object) -> list[str]:
    """The components and properties of a list, as "id.property"; what is none of them is ""."""
    if not isinstance(given, list):
        return [""]
    return [f"{one.get('id')}.{one.get('property')}" if isinstance(one, dict) else "" for one in given]

"""Logging in to the page: the form, sessions in signed cookies, and a limit on attempts.

A session ends after SESSION_HOURS, when the user's password changes, and, unless a key is given, with the server.
Requests that change something come from our own page alone: cookies are SameSite=Lax, and web.py checks the Origin.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import timedelta
from html import escape
from urllib.parse import quote

from flask import Flask, abort, has_request_context, redirect, request, session
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug import Response

from pipeline.console import safe_text
from pipeline.page_users import Users

log = logging.getLogger(__name__)

PATH, LEAVE_PATH = "/login", "/logout"
# What is seen without a session: the form with its style, and whether the server is well.
OPEN_PATHS = frozenset({PATH, "/health", "/healthz", "/healthz/ready", "/assets/page.css", "/_favicon.ico"})
SESSION_HOURS = 12
ATTEMPTS_PER_MINUTE = 10
FORM_LIMIT = 4096

_FORM = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Log in</title>
    <link rel="stylesheet" href="/assets/page.css">
  </head>
  <body>
    <main class="login card">
      <h1>Log in</h1>
      {hint}
      {notice}
      <form method="post" action="{action}">
        <label for="user">User</label>
        <input id="user" name="user" autocomplete="username" maxlength="64" required autofocus value="{user}">
        <label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>
        <button type="submit">Log in</button>
      </form>
    </main>
  </body>
</html>
"""


def user() -> str | None:
    """Who is logged in, in a request; None where nobody is, or nobody needs to be."""
    return session.get("user") if has_request_context() else None


class Login:
    """Lets users log in to a server; `key` signs the cookies, `hint` is a line that the form shows."""

    def __init__(self, users: Users, key: str | None = None, hint: str | None = None) -> None:
        self._users, self._key, self._hint = users, key or secrets.token_hex(32), hint
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(ATTEMPTS_PER_MINUTE)

    def add_to(self, server: Flask) -> None:
        """Give a server the form, and cookies that nobody else can make."""
        server.secret_key = self._key
        server.config.update(
            SESSION_COOKIE_NAME="session-of-the-page",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
            # An answer that is under way while somebody logs out would bring the cookie back.
            SESSION_REFRESH_EACH_REQUEST=False,
        )
        server.add_url_rule(PATH, "login", self._login, methods=["GET", "POST"])
        server.add_url_rule(LEAVE_PATH, "logout", self._logout, methods=["GET", "POST"])

    def require(self, is_page: bool) -> Response | None:
        """What a request without a valid session gets: for a page the form, else 401; None for one that has it."""
        if request.path in OPEN_PATHS or self._is_valid():
            return None
        session.clear()
        if is_page and request.method == "GET":
            return _to(f"{PATH}?next={quote(request.full_path.rstrip('?'))}")
        return Response("Log in first.\n", status=401, mimetype="text/plain")

    def _is_valid(self) -> bool:
        mark = self._mark(session.get("user", ""))
        return mark is not None and session.get("of") == mark

    def _mark(self, name: str) -> str | None:
        """A word that changes with the user's password; None for who is no user."""
        known = self._users.hash_of(name)
        return hashlib.sha256(known.encode()).hexdigest()[:32] if known else None

    def _login(self) -> Response:
        target = own_path(request.args.get("next", "/"))
        if request.method == "GET":
            return _to(target) if self._is_valid() else self._form(target)
        if (request.content_length or 0) > FORM_LIMIT:
            abort(413, "This is no form of ours.")
        who = request.remote_addr or "somebody"
        name, password = (request.form.get(field, "") for field in ("user", "password"))
        if not self._limiter.hit(self._limit, who):
            log.warning("too many attempts to log in from %s", safe_text(who, 64))
            return self._form(target, name, "Too many attempts. Wait a minute.", 429)
        if not self._users.admits(name, password):
            log.warning("a failed attempt to log in as %s from %s", safe_text(name, 64), safe_text(who, 64))
            return self._form(target, name, "User or password is wrong.", 401)
        session.clear()
        session.permanent = True
        session.update(user=name, of=self._mark(name))
        log.info("%s has logged in from %s", name, safe_text(who, 64))
        return _to(target)

    def _logout(self) -> Response:
        # A link from elsewhere logs nobody out.
        if request.method == "POST":
            session.clear()
        return _to(PATH)

    def _form(self, target: str, name: str = "", problem: str = "", status: int = 200) -> Response:
        text = _FORM.format(
            hint=f'<p class="note">{escape(self._hint)}</p>' if self._hint else "",
            notice=f'<p class="banner error" role="alert">{escape(problem)}</p>' if problem else "",
            action=escape(f"{PATH}?next={quote(target)}"),
            user=escape(name[:64]),
        )
        answer = Response(text, status=status, mimetype="text/html")
        if status == 429:
            answer.headers["Retry-After"] = "60"
        return answer


def own_path(text: str) -> str:
    """A path and query of this server, "/" for anything else: nobody is to be sent elsewhere after logging in."""
    # Browsers take a backslash for a slash, and leave out what cannot be printed.
    is_own = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_own else "/"


def _to(path: str) -> Response:
    answer = redirect(path, 303)
    answer.headers["Cache-Control"] = "no-store"
    return answer

"""Logging in to the page: the form, sessions, the limit on attempts, and who acknowledges."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stored
from harness import Script, free_port
from page_requests import UPDATE, acknowledgement, tick

from pipeline import page_users, runtime, store_alarms, web
from pipeline.catalog import Catalog
from pipeline.console import UsageError, UserError
from pipeline.page_users import Users
from pipeline.snapshots import Rules, Sources
from pipeline.store import Store
from pipeline.view import View
from pipeline.web_login import ATTEMPTS_PER_MINUTE, Login, own_path

Client = Any
PASSWORD = "correct horse battery"


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    path = tmp_path / "users.txt"
    page_users.add(path, "ada", PASSWORD)
    return path


@pytest.fixture
def serve(target: Store, users_file: Path) -> Callable[..., Client]:
    def build(key: str | None = None) -> Client:
        snapshots = web.snapshots_of_pages(Sources(target, Catalog(), Rules(60, 60)), 60.0)
        return web.build(target, snapshots, 2.0, login=Login(Users(users_file), key, "Ask Bob & Co.")).test_client()

    return build


@pytest.fixture
def client(serve: Callable[..., Client]) -> Client:
    return serve()


def log_in(client: Client, password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/login", data={"user": "ada", "password": password}, **more)


def test_an_answer_that_comes_late_does_not_bring_a_session_back(client: Client):
    log_in(client)

    answer = client.post(UPDATE, json=tick(View().as_json()))

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_nothing_but_the_form_and_the_health_is_seen_without_a_session(client: Client):
    assert client.get("/login").status_code == client.get("/health").status_code == 200
    assert client.get("/assets/page.css").status_code == 200
    assert client.get("/healthz").status_code == client.get("/healthz/ready").status_code == 200
    for path in ("/_dash-layout", "/_dash-dependencies", "/assets/frame.js", "/metrics"):
        assert client.get(path).status_code == 401, path
    for body in (tick(View().as_json()), acknowledgement(["x"], "ada", "")):
        answer = client.post(UPDATE, json=body)
        assert (answer.status_code, answer.text) == (401, "Log in first.\n")
    assert client.get("/nowhere").status_code == 404


def test_who_asks_for_the_page_logs_in_and_comes_back_to_what_was_asked_for(client: Client):
    asked = client.get("/?type=humidity&range=1h")
    assert asked.status_code == 303
    form = client.get(asked.headers["Location"])
    assert "Ask Bob &amp; Co." in form.text
    action = re.search('action="([^"]+)"', form.text)
    assert action

    done = client.post(action[1], data={"user": "ada", "password": PASSWORD}, headers={"Origin": "http://localhost"})

    assert (done.status_code, done.headers["Location"]) == (303, "/?type=humidity&range=1h")
    cookie = done.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert PASSWORD not in cookie
    assert client.get("/").status_code == 200
    assert client.post(UPDATE, json=tick(View().as_json())).status_code == 200
    assert client.get("/login").status_code == 303


def test_who_logs_out_is_out(client: Client):
    log_in(client)

    client.get("/logout")
    assert client.get("/_dash-layout").status_code == 200
    assert client.post("/logout").headers["Location"] == "/login"

    assert client.get("/_dash-layout").status_code == 401


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"user": "ada"},
        {"user": "ada", "password": ""},
        {"user": "ada", "password": "wrong"},
        {"user": "bob", "password": PASSWORD},
        {"user": "", "password": ""},
        {"user": '"><script>alert(1)</script>', "password": "x" * 1000},
    ],
)
def test_a_wrong_user_or_password_is_told_and_not_which(client: Client, form: dict[str, str]):
    answer = client.post("/login", data=form)

    assert answer.status_code == 401
    assert "User or password is wrong." in answer.text
    assert "<script>" not in answer.text
    assert client.get("/_dash-layout").status_code == 401


def test_after_some_attempts_one_has_to_wait(client: Client):
    codes = [log_in(client, "wrong").status_code for _ in range(ATTEMPTS_PER_MINUTE)]
    assert set(codes) == {401}

    answer = log_in(client)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert log_in(client, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 303


def test_a_form_from_another_site_is_refused(client: Client):
    assert log_in(client, headers={"Origin": "http://evil.example"}).status_code == 403
    log_in(client)
    assert client.post("/logout", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.get("/").status_code == 200


def test_a_form_that_is_too_large_is_refused(client: Client):
    assert client.post("/login", data={"user": "ada", "password": "x" * 100_000}).status_code == 413


def test_with_users_the_page_answers_under_any_name(client: Client):
    assert client.get("/login", headers={"Host": "dashboard.example:8050"}).status_code == 200


def test_who_is_logged_in_acknowledges_by_that_name_whatever_the_request_says(client: Client, target: Store):
    store_alarms.write_alerts(target, [stored.alert(0)], 60)
    ids = [one["_id"] for one in target.collection("alarms").find()]
    log_in(client)

    assert client.post(UPDATE, json=acknowledgement(ids, "mallory", "fan")).status_code == 200

    [alarm] = target.collection("alarms").find()
    assert alarm["acknowledged"]["by"] == "ada"


def test_with_a_key_a_session_outlasts_a_restart_but_not_another_password(serve: Callable[..., Client], users_file):
    key = "k" * 32
    name, _, value = log_in(serve(key)).headers["Set-Cookie"].partition(";")[0].partition("=")

    def code(*words: str) -> int:
        client = serve(*words)
        client.set_cookie(name, value)
        return client.get("/_dash-layout").status_code

    assert code(key) == 200
    assert code() == code("other" * 8) == 401
    page_users.add(users_file, "ada", "another password")
    assert code(key) == 401


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/", "/"),
        ("/?type=a%20b&range=1h", "/?type=a%20b&range=1h"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("http://[", "/"),
        ("/[", "/["),
        ("/\n/evil.example", "/"),
        ("", "/"),
        ("evil", "/"),
    ],
)
def test_after_the_log_in_nobody_is_sent_elsewhere(text: str, target: str):
    assert own_path(text) == target


def test_the_file_of_the_users_is_for_its_owner_and_holds_no_password(users_file: Path):
    page_users.add(users_file, "bob", "quite another one")

    assert users_file.stat().st_mode & 0o777 == 0o600
    assert [line.partition(":")[0] for line in users_file.read_text().splitlines()] == ["ada", "bob"]
    assert PASSWORD not in users_file.read_text()
    users = Users(users_file)
    assert users.admits("ada", PASSWORD)
    assert not users.admits("bob", PASSWORD)
    assert not users.admits("eve", "")
    with pytest.raises(UserError, match="too short"):
        page_users.add(users_file, "eve", "short")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no user"),
        (b"# nobody\n\n", "has no user"),
        (b"ada:secret\n", "line 1 is no user"),
        (b"\xff\xfe", "it is no text"),
    ],
)
def test_a_file_that_is_wrong_is_refused_without_what_it_holds(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "users.txt"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=said) as refused:
        Users(path)

    assert "secret" not in str(refused.value)


def test_a_user_is_added_by_hand_and_the_page_served_beyond_this_machine(
    start_script: Callable[..., Script], target: Store, tmp_path: Path
):
    path = tmp_path / "users.txt"
    command = (sys.executable, runtime.ROOT / "dashboard.py", "--users", path, "--add-user", "ada")

    done = subprocess.run(command, input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, done.stdout) == (0, "")
    assert "ada can log in" in done.stderr
    port = free_port()
    words = ("--mongo-uri", target.uri, "--host", "0.0.0.0", "--port", port)
    script = start_script("dashboard.py", *words, "--users", path)
    script.await_output("serving the page")
    assert f"http://127.0.0.1:{port}/" in script.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "can be reached from other machines: give --users FILE"),
        (("--add-user", "ada"), "--add-user belongs to a page with users"),
        (("--users", "users.txt"), "users.txt cannot be read: No such file"),
        (("--users", "users.txt", "--add-user", "a b"), "'a b' is no user name"),
        (("--users", "nowhere/users.txt"), "does not exist; make it first"),
    ],
)
def test_wrong_options_are_one_line(run_script: Callable[..., Any], words: tuple[str, ...], said: str):
    done = run_script("dashboard.py", *words)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1

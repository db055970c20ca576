"""docker-compose.yml against a real engine: from nothing to a page with readings, and what each user may not do."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from containers import ONCE, STAYING, ContainerStack, container_stack
from harness import await_condition
from page_requests import UPDATE, tick
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from pipeline.view import View

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

Document = dict[str, Any]
DATABASE = "iot_analytics"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    with container_stack(tmp_path_factory.mktemp("compose"), PIPELINE_SENSORS=200, PIPELINE_RATE=500) as started:
        yield started


@pytest.fixture(scope="module")
def root(stack: ContainerStack) -> Iterator[MongoClient[Document]]:
    with MongoClient[Document](stack.connections()["MongoDB, as root"]) as client:
        yield client


class Visitor:
    """A browser that has logged in, without a screen."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookie = ""

    def ask(self, method: str, path: str, body: str = "", kind: str = "application/json") -> tuple[int, str]:
        headers = {"Content-Type": kind, "Cookie": self._cookie}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        self._cookie = (answer.getheader("Set-Cookie") or self._cookie).partition(";")[0]
        return answer.status, answer.read().decode()

    def log_in(self, user: str, password: str) -> int:
        form = urlencode({"user": user, "password": password})
        return self.ask("POST", "/login", form, "application/x-www-form-urlencoded")[0]

    def snapshot(self) -> Document:
        status, text = self.ask("POST", UPDATE, json.dumps(tick(View().as_json())))
        assert status == 200, text
        found: Document = json.loads(text)["response"]["snapshot"]["data"]
        return found


def test_from_nothing_every_part_is_well(stack: ContainerStack):
    assert {name: stack.state(name) for name in STAYING} == {
        **dict.fromkeys(STAYING, "healthy"),
        # It has nothing to be asked; that its readings arrive is seen below.
        "producer": "running",
    }
    for name in ONCE:
        state = stack.inspect(name)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0), name


@pytest.mark.parametrize("name", [*STAYING, *ONCE])
def test_a_container_can_do_its_work_and_little_else(stack: ContainerStack, name: str):
    found = stack.inspect(name)

    host, config = found["HostConfig"], found["Config"]
    assert config["User"] not in {"", "root", "0"}
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not host["Privileged"]
    assert 0 < host["Memory"] <= 4 * 1024**3
    assert {one["HostIp"] for ports in (host["PortBindings"] or {}).values() for one in ports} <= {"127.0.0.1"}
    secrets = stack.connections()
    for word in (secrets["password"], urlsplit(secrets["MongoDB, as root"]).password):
        assert word
        assert word not in json.dumps(found)


def test_readings_reach_the_page_of_whom_has_logged_in(stack: ContainerStack):
    secrets = stack.connections()
    assert secrets["page"] == f"http://localhost:{stack.page_port}/"
    visitor = Visitor(stack.page_port)
    assert visitor.ask("POST", UPDATE, json.dumps(tick(View().as_json())))[0] == 401
    assert visitor.log_in(secrets["user"], "a wrong password") == 401

    assert visitor.log_in(secrets["user"], secrets["password"]) == 303

    await_condition(lambda: (visitor.snapshot()["figures"]["rate"] or 0) > 100, "the page shows readings a second")
    assert visitor.snapshot()["figures"]["known"] == 200


def test_the_classic_scripts_find_the_broker_from_the_host(stack: ContainerStack, run_script: Callable[..., Any]):
    words = ("consumer.py", "--servers", f"localhost:{stack.kafka_port}", "--from-beginning")

    done = run_script(*words, "--duration", 3, "--interval", 2)

    assert done.code == 0, done.stderr
    assert re.search(r"collected [1-9]\d* sensor records", done.stdout)


def test_each_user_of_mongodb_is_refused_what_is_not_its_work(stack: ContainerStack, root: MongoClient[Document]):
    at = f"127.0.0.1:{stack.mongo_port}"

    def uri(service: str) -> str:
        # As its container reads it, but for the address.
        said = stack.run("exec", "-T", service, "cat", "/secrets/mongo-uri").stdout.strip()
        return said.replace("mongo:27017", at)

    allowed = {"_id": "allowed"}
    root[DATABASE]["alarms"].delete_many(allowed)
    attempts: list[tuple[str, str, Callable[[Any], object]]] = [
        ("nobody", f"mongodb://{at}", lambda db: db["sensor_metrics"].find_one()),
        ("nobody", f"mongodb://reader:wrong@{at}/{DATABASE}", lambda db: db["sensor_metrics"].find_one()),
        ("dashboard", uri("dashboard"), lambda db: db["sensor_metrics"].insert_one(dict(allowed))),
        ("dashboard", uri("dashboard"), lambda db: db["alarms"].insert_one(dict(allowed))),
        ("dashboard", uri("dashboard"), lambda db: db["alarms"].delete_many({})),
        ("dashboard", uri("dashboard"), lambda db: db["sensors"].update_many({}, {"$set": {"value": 0}})),
        ("dashboard", uri("dashboard"), lambda db: db["windowed_metrics"].drop()),
        ("dashboard", uri("dashboard"), lambda db: db.client["admin"]["system.users"].find_one()),
        ("pipeline", uri("spark"), lambda db: db.client["other"]["things"].insert_one(dict(allowed))),
        ("pipeline", uri("spark"), lambda db: db.client["admin"]["system.users"].find_one()),
        ("pipeline", uri("spark"), lambda db: db.command("createUser", "eve", pwd="eve", roles=["root"])),
        ("pipeline", uri("spark"), lambda db: db.client["admin"].command("shutdown")),
        (
            "reader",
            stack.connections()["MongoDB, to read"],
            lambda db: db["alarms"].update_many({}, {"$set": {"a": 1}}),
        ),
        ("reader", stack.connections()["MongoDB, to read"], lambda db: db["sensors"].insert_one(dict(allowed))),
    ]
    for name, address, attempt in attempts:
        with MongoClient[Document](address, serverSelectionTimeoutMS=30_000) as client:
            with pytest.raises(OperationFailure) as refused:
                attempt(client[DATABASE])
            # Unauthorized, AuthenticationFailed.
            assert refused.value.code in {13, 18}, name

    # and what is its work it may do
    with MongoClient[Document](uri("dashboard")) as client:
        assert client[DATABASE]["sensor_metrics"].find_one()
        client[DATABASE]["alarms"].update_one({"_id": "nothing"}, {"$set": {"acknowledged": {"by": "ada"}}})


def test_each_container_that_dies_comes_again_and_nothing_is_lost(stack: ContainerStack):
    for name in STAYING:
        stack.kill(name)
        stack.await_healthy(*STAYING)

    stack.run("stop", "producer")
    done = stack.run("run", "--rm", "verify", code=None)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything that was acknowledged is stored" in done.stdout
    stack.run("start", "producer")


def test_down_and_up_again_keeps_the_data_and_the_passwords(stack: ContainerStack, root: MongoClient[Document]):
    before, secrets = root[DATABASE]["sensor_metrics"].estimated_document_count(), stack.connections()
    assert before > 0

    stack.run("down")
    stack.run("up", "--detach", "--wait", "--wait-timeout", "600")

    assert stack.connections() == secrets
    assert root[DATABASE]["sensor_metrics"].estimated_document_count() >= before
    await_condition(
        lambda: root[DATABASE]["sensor_metrics"].estimated_document_count() > before, "new readings come in"
    )

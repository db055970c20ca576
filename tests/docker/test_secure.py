"""docker-compose.secure.yml: TLS and users from nothing to stored readings, and who is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kafka_attempts as attempts
import pytest
from containers import ContainerStack, container_stack
from harness import await_condition
from pymongo import MongoClient
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from pipeline.broker import Connection

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

DATABASE = "iot_analytics"
TOPIC, ALERTS, LETTERS = "sensor-data", "alerts", "dead-letter-queue"
# Who runs the attempts as a container's user: the password stands where that container reads it.
SERVICE_OF = {"producer": "producer", "job": "spark"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    folder = tmp_path_factory.mktemp("secure")
    more = {"PIPELINE_SENSORS": 100, "PIPELINE_RATE": 100}
    with container_stack(folder, files=("docker-compose.secure.yml",), **more) as started:
        yield started


@pytest.fixture(scope="module")
def authority(stack: ContainerStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate to trust, as a person fetches it."""
    words = ("run", "--rm", "-T", "connections", "python", "provision.py", "authority")
    path = tmp_path_factory.mktemp("trusted") / "ca.pem"
    path.write_text(stack.run(*words).stdout)
    return path


@pytest.fixture(scope="module")
def link(stack: ContainerStack, authority: Path) -> Callable[..., Connection]:
    """The connection of one of Kafka's users from the host."""
    told = stack.connections()

    def password(user: str) -> str:
        if user in SERVICE_OF:
            words = ("exec", "-T", SERVICE_OF[user], "cat", "/secrets/kafka-password")
            return stack.run(*words).stdout.strip()
        return told[user]

    def make(user: str, given: str | None = None) -> Connection:
        security = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": given or password(user),
            "ssl.ca.location": str(authority),
        }
        return Connection(f"localhost:{stack.kafka_port}", tuple(security.items()))

    return make


def test_readings_go_all_the_way(stack: ContainerStack, authority: Path):
    address = stack.connections()["MongoDB, to read"].replace("tlsCAFile=ca.pem", f"tlsCAFile={authority}")

    with MongoClient[dict[str, Any]](address) as client:
        database = client[DATABASE]
        await_condition(lambda: database["sensor_metrics"].estimated_document_count() > 0, "readings are stored")
        await_condition(lambda: database["windowed_metrics"].estimated_document_count() > 0, "windows are stored")
        with pytest.raises(OperationFailure) as refused:
            database["sensors"].delete_many({})
    assert refused.value.code == 13


@pytest.mark.parametrize(
    ("user", "attempt", "answer"),
    [
        ("producer", attempts.write(TOPIC), "allowed"),
        ("producer", attempts.read(TOPIC, "mine"), "GROUP_AUTHORIZATION_FAILED"),
        ("producer", attempts.create("mine"), "TOPIC_AUTHORIZATION_FAILED"),
        ("consumer", attempts.read(TOPIC, "team"), "allowed"),
        ("consumer", attempts.write(TOPIC), "CLUSTER_AUTHORIZATION_FAILED"),
        ("consumer", attempts.delete(TOPIC), "TOPIC_AUTHORIZATION_FAILED"),
        ("job", attempts.write(TOPIC), "TOPIC_AUTHORIZATION_FAILED"),
        ("job", attempts.delete(ALERTS), "TOPIC_AUTHORIZATION_FAILED"),
        ("job", attempts.grant("job", TOPIC), "CLUSTER_AUTHORIZATION_FAILED"),
        ("mender", attempts.write(LETTERS), "TOPIC_AUTHORIZATION_FAILED"),
    ],
)
def test_each_user_of_kafka_may_do_its_work_and_nothing_else(
    link: Callable[..., Connection], user: str, attempt: attempts.Attempt, answer: str
):
    assert attempts.answer(attempt, link(user)) == answer


def test_nobody_comes_in_without_a_password_or_without_tls(
    stack: ContainerStack, link: Callable[..., Connection], authority: Path
):
    address = stack.connections()["MongoDB, to read"].replace("tlsCAFile=ca.pem", f"tlsCAFile={authority}")
    wrong = address.replace("reader:", "reader:x")
    plain = f"{address.partition('?')[0]}?directConnection=true&serverSelectionTimeoutMS=3000"

    assert attempts.answer(attempts.look, link("consumer", "a wrong password")) == "_AUTHENTICATION"
    assert attempts.answer(attempts.look, Connection(f"localhost:{stack.kafka_port}")) != "allowed"
    with pytest.raises(OperationFailure), MongoClient[dict[str, Any]](wrong) as client:
        client[DATABASE]["sensors"].find_one()
    with pytest.raises(ServerSelectionTimeoutError), MongoClient[dict[str, Any]](plain) as client:
        client[DATABASE]["sensors"].find_one()


def test_the_scripts_of_a_person_work_with_the_settings_that_were_printed(
    stack: ContainerStack, authority: Path, run_script: Callable[..., Any]
):
    settings = {
        "PIPELINE_SERVERS": f"localhost:{stack.kafka_port}",
        "PIPELINE_SECURITY_PROTOCOL": "SASL_SSL",
        "PIPELINE_SSL_CA": str(authority),
        "PIPELINE_SASL_USERNAME": "consumer",
        "PIPELINE_SASL_PASSWORD": stack.connections()["consumer"],
    }

    done = run_script("consumer.py", "--from-beginning", "--duration", 4, "--interval", 3, env=settings)
    bare = run_script("consumer.py", "--servers", settings["PIPELINE_SERVERS"], "--duration", 3)

    assert done.code == 0, done.stderr
    assert "sensor records" in done.stdout
    assert (bare.code, bare.stdout) == (1, "")
    assert "see that it is a broker that has started, and that --security-protocol" in bare.stderr


@pytest.mark.parametrize("name", ["kafka", "mongo", "spark", "producer", "dashboard"])
def test_no_secret_stands_where_others_see_it(stack: ContainerStack, link: Callable[..., Connection], name: str):
    known = stack.inspect(name)
    running = stack.run("top", name).stdout
    logged = stack.run("logs", name).stdout
    words = [stack.connections()[user] for user in ("consumer", "password")]
    words += [dict(link(user).security)["sasl.password"] for user in ("producer", "job")]
    for word in words:
        assert word not in str(known)
        assert word not in running
        assert word not in logged


def test_all_that_was_acknowledged_is_stored(stack: ContainerStack):
    stack.run("stop", "producer")

    done = stack.run("run", "--rm", "verify", code=None)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything that was acknowledged is stored" in done.stdout

"""provision.py: topics at a real broker, and passwords in folders."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from harness import LocalBroker, free_port

from pipeline import checks, credentials
from pipeline.page_users import Users

Run = Callable[..., Any]
FILES = {
    "mongo/root-password",
    "mongo/pipeline-password",
    "mongo/dashboard-password",
    "mongo/reader-password",
    "mongo/replica-key",
    "spark/mongo-uri",
    "dashboard/mongo-uri",
    "dashboard/users",
    "dashboard/session-key",
    "people/mongo-uri",
    "people/page-password",
}
OF_TLS = {
    *(f"{service}/ca.pem" for service in ("admin", "dashboard", "kafka", "mongo", "people", "producer", "spark")),
    *(f"admin/{user}-password" for user in credentials.KAFKA_USERS),
    "admin/admin.pem",
    "authority/authority.pem",
    "kafka/server.pem",
    "mongo/server.pem",
    "people/consumer-password",
    "people/mender-password",
    "producer/kafka-password",
    "spark/kafka-password",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the container finds it: a folder in it for each volume."""
    for service in ("admin", "authority", "dashboard", "kafka", "mongo", "people", "producer", "spark"):
        (tmp_path / "secrets" / service).mkdir(parents=True)
    return tmp_path / "secrets"


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_passwords_are_made_once(run_script: Run, folder: Path):
    first = run_script("provision.py", "credentials", "--folder", folder, "--mongo-address", "mongo:27017")
    before = contents(folder)
    second = run_script("provision.py", "credentials", "--folder", folder, "--mongo-address", "mongo:27017")

    assert (first.code, second.code) == (0, 0)
    assert "made passwords: root, pipeline, dashboard, reader, page" in first.stderr
    assert "none, all are there" in second.stderr
    assert set(before) == FILES
    assert contents(folder) == before
    secrets = [text.strip() for name, text in before.items() if name.endswith(("password", "-key"))]
    assert len(set(secrets)) == len(secrets) == 7
    assert all(len(one) >= 32 for one in secrets)
    assert not [one for one in secrets if one in first.stderr + first.stdout]
    assert Users(folder / "dashboard" / "users").admits(credentials.PAGE_USER, before["people/page-password"].strip())
    checks.mongo_uri(before["spark/mongo-uri"].strip())
    assert "@mongo:27017/iot_analytics" in before["dashboard/mongo-uri"]
    # The services run as other users than the one that made them.
    assert stat.S_IMODE((folder / "mongo" / "root-password").stat().st_mode) == 0o444


def test_passwords_of_ones_own_are_taken(run_script: Run, folder: Path):
    own = {"PIPELINE_PAGE_PASSWORD": "pass:word/1", "PIPELINE_PIPELINE_PASSWORD": "p@ss/word%2"}

    run_script("provision.py", "credentials", "--folder", folder, env=own)

    assert contents(folder)["mongo/pipeline-password"] == "p@ss/word%2\n"
    assert "//pipeline:p%40ss%2Fword%252@" in contents(folder)["spark/mongo-uri"]
    users = folder / "dashboard" / "users"
    assert Users(users).admits(credentials.PAGE_USER, "pass:word/1")

    # and the page's can be changed later, which MongoDB's cannot
    changed = {"PIPELINE_PAGE_PASSWORD": "another one"}
    assert run_script("provision.py", "credentials", "--folder", folder, env=changed).code == 0
    assert Users(users).admits(credentials.PAGE_USER, "another one")
    refused = run_script("provision.py", "credentials", "--folder", folder, "--reader-password", "another one")
    assert refused.code == 1
    assert "reader-password: MongoDB keeps the one of its first start" in refused.stderr
    assert "another one" not in refused.stderr


def test_how_to_connect_is_printed(run_script: Run, folder: Path):
    run_script("provision.py", "credentials", "--folder", folder)

    done = run_script("provision.py", "connections", "--folder", folder, "--kafka-address", "localhost:19092")

    lines = {line[:18].strip(): line[18:] for line in done.stdout.splitlines()}
    assert lines["page"] == "http://localhost:8050/"
    assert (lines["user"], lines["password"]) == ("operator", contents(folder)["people/page-password"].strip())
    assert lines["Kafka"].startswith("localhost:19092 ")
    assert checks.mongo_uri(lines["MongoDB, to read"]).startswith("mongodb://reader:")
    # A client on the host cannot find the servers of a replica set by the names that they have among themselves.
    assert lines["MongoDB, as root"].endswith("@localhost:27017/iot_analytics?authSource=admin&directConnection=true")


def test_with_tls_there_are_certificates_and_users_of_kafka(run_script: Run, folder: Path):
    words = ("--folder", folder, "--tls", "--tls-names", "broker.example.org", "10.0.0.5")
    own = {"PIPELINE_CONSUMER_PASSWORD": "a word of mine"}

    first = run_script("provision.py", "credentials", *words, env=own)
    before = contents(folder)
    again = run_script("provision.py", "credentials", *words, env=own)

    assert (first.code, again.code) == (0, 0), first.stderr
    assert set(before) == FILES | OF_TLS
    assert contents(folder) == before
    assert before["people/consumer-password"] == "a word of mine\n"
    assert before["spark/mongo-uri"].strip().endswith("?tls=true&tlsCAFile=/secrets/ca.pem")
    # Who signs is known to nobody else.
    assert [name for name, text in before.items() if text == before["authority/authority.pem"]] == [
        "authority/authority.pem"
    ]

    # and another password is taken, for the broker is told it at each start
    changed = run_script("provision.py", "credentials", *words, env={"PIPELINE_CONSUMER_PASSWORD": "another word"})
    assert "made passwords: consumer\n" in changed.stderr
    assert contents(folder)["admin/consumer-password"] == "another word\n"

    said = run_script("provision.py", "connections", "--folder", folder, "--tls").stdout
    assert "  consumer        another word\n" in said
    assert "&tls=true&tlsCAFile=ca.pem" in said
    assert run_script("provision.py", "authority", "--folder", folder).stdout == before["people/ca.pem"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("credentials", "--folder", "nowhere"), 2, "there is no folder 'nowhere'"),
        (("credentials", "--folder", "."), 1, "cannot be written: No such file or directory"),
        (("connections", "--folder", "."), 1, "cannot be read: "),
        (("credentials", "--folder", ".", "--page-password", "hush"), 2, "it is too short"),
        (("credentials", "--folder", ".", "--mongo-address", "mongo"), 2, "'mongo' is not host:port"),
        (("credentials", "--folder", ".", "--job-password", "hush hush hush"), 2, "Kafka asks for none: add --tls"),
        (("credentials", "--folder", ".", "--tls-names", "a b"), 2, "'a b' is no host"),
        (("users", "--folder", "."), 1, "no Kafka broker answers at"),
        (("replica-set", "--folder", "."), 2, "--replica-set NAME is missing"),
        (("replica-set", "--folder", ".", "--replica-set", "rs0"), 1, "the password in mongo/root-password: it cannot"),
        (("authority", "--folder", "."), 1, "are the servers started with TLS?"),
        (("topics", "--servers", f"127.0.0.1:{free_port()}"), 1, "no Kafka broker answers at"),
    ],
)
def test_what_is_wrong_is_one_line(run_script: Run, words: tuple[str, ...], code: int, said: str):
    done = run_script("provision.py", *words)

    assert (done.code, done.stdout) == (code, "")
    assert said in done.stderr
    assert "hush" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_topics_are_made_with_their_settings(run_script: Run, broker: LocalBroker, topic: str):
    names = [f"{topic}-{kind}" for kind in ("readings", "alerts", "letters")]
    flags = zip(("--topic", "--alerts-topic", "--dead-letter-topic"), names, strict=True)
    words = ("provision.py", "topics", "--servers", broker.servers, *(word for pair in flags for word in pair))

    first, second = run_script(*words), run_script(*words)

    assert (first.code, second.code) == (0, 0)
    assert [f"created topic {name}" in first.stderr for name in names] == [True] * 3
    assert "created" not in second.stderr
    admin = AdminClient({"bootstrap.servers": broker.servers})
    assert [len(admin.list_topics(name, timeout=30).topics[name].partitions) for name in names] == [3, 3, 1]
    [asked] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, names[0])]).values()
    assert asked.result(30)["message.timestamp.type"].value == "LogAppendTime"

"""A broker that asks for users, over TLS: the certificates, what each user may do, and what the scripts say."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import kafka_attempts as attempts
import pytest
from harness import await_condition, free_port, local_broker
from topics import read_all

from pipeline import broker, broker_access, credentials
from pipeline.broker import Connection
from pipeline.spark_errors import TaskError
from pipeline.spark_outbox import Outbox

Run = Callable[..., Any]
READINGS, ALERTS, LETTERS = "readings", "alerts", "letters"
SERVICES = ("admin", "authority", "dashboard", "kafka", "mongo", "people", "producer", "spark")
SECURED = """
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},CLIENTS://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},CLIENTS://localhost:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/kafka/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/kafka/ca.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True)
class Secured:
    """The broker: `admin` may everything, `folder` has the secrets, `servers` is where clients come in."""

    admin: Connection
    folder: Path
    servers: str

    def options(self, user: str, password: str | None = None) -> dict[str, str]:
        """The environment of a script that comes as this user."""
        return {
            "PIPELINE_SERVERS": self.servers,
            "PIPELINE_TOPIC": READINGS,
            "PIPELINE_SECURITY_PROTOCOL": "SASL_SSL",
            "PIPELINE_SSL_CA": str(self.folder / "people" / "ca.pem"),
            "PIPELINE_SASL_USERNAME": user,
            "PIPELINE_SASL_PASSWORD": password or credentials.kafka_passwords(self.folder)[user],
        }

    def link(self, user: str, password: str | None = None) -> Connection:
        """The connection of a user."""
        options = self.options(user, password)
        security = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": options["PIPELINE_SASL_PASSWORD"],
            "ssl.ca.location": options["PIPELINE_SSL_CA"],
        }
        return Connection(self.servers, tuple(security.items()))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder, port = tmp_path_factory.mktemp("secrets"), free_port()
    for service in SERVICES:
        (folder / service).mkdir()
    credentials.ensure_tls(folder, {}, [], datetime.now(UTC))

    def settings(given: str) -> str:
        known = dict(line.split("=", 1) for line in given.splitlines() if "=" in line)
        plain, controller = (part.rpartition(":")[2] for part in known["listeners"].split(","))
        return SECURED.format(plain=plain, controller=controller, port=port, folder=folder)

    with local_broker(tmp_path_factory.mktemp("broker"), more=settings) as started:
        admin = Connection(started.servers)
        topics = [broker.readings_topic(READINGS), broker.alerts_topic(ALERTS), broker.dead_letter_topic(LETTERS)]
        broker.ensure_topics(admin, topics, timeout=30)
        rights = broker_access.rights(READINGS, ALERTS, LETTERS)
        broker_access.ensure(admin, credentials.kafka_passwords(folder), rights)
        for topic in topics:
            attempts.write(topic.name)(admin)
        found = Secured(admin, folder, f"localhost:{port}")
        # The broker hears of rights a moment after the controller has taken them.
        for user, topic in (("producer", READINGS), ("consumer", READINGS), ("job", LETTERS), ("mender", LETTERS)):
            is_seen = partial(attempts.answer, attempts.see(topic), found.link(user))
            await_condition(lambda ask=is_seen: ask() == "allowed", f"{user} may see {topic}")
        yield found


ATTEMPTS = [
    ("producer", attempts.write(READINGS), "allowed"),
    # Whichever of the two the client asks for first.
    ("producer", attempts.read(READINGS), "GROUP_AUTHORIZATION_FAILED or TOPIC_AUTHORIZATION_FAILED"),
    ("producer", attempts.write(ALERTS), "TOPIC_AUTHORIZATION_FAILED"),
    ("producer", attempts.create("mine"), "TOPIC_AUTHORIZATION_FAILED"),
    ("producer", attempts.delete(READINGS), "TOPIC_AUTHORIZATION_FAILED"),
    ("consumer", attempts.read(READINGS), "allowed"),
    ("consumer", attempts.read(READINGS, "team"), "allowed"),
    ("consumer", attempts.read(ALERTS), "allowed"),
    ("consumer", attempts.read(LETTERS, "team-2"), "allowed"),
    ("consumer", attempts.write(READINGS), "CLUSTER_AUTHORIZATION_FAILED"),
    ("job", attempts.read(READINGS, "spark-windows"), "allowed"),
    ("job", attempts.read(READINGS, "team"), "GROUP_AUTHORIZATION_FAILED"),
    ("job", attempts.write(ALERTS), "allowed"),
    ("job", attempts.write(LETTERS), "allowed"),
    ("job", attempts.write(READINGS), "TOPIC_AUTHORIZATION_FAILED"),
    ("job", attempts.delete(LETTERS), "TOPIC_AUTHORIZATION_FAILED"),
    ("mender", attempts.read(LETTERS, "mend"), "allowed"),
    ("mender", attempts.write(READINGS), "allowed"),
    ("mender", attempts.write(LETTERS), "TOPIC_AUTHORIZATION_FAILED"),
    ("mender", attempts.read(ALERTS), "TOPIC_AUTHORIZATION_FAILED"),
    ("mender", attempts.grant("mender", LETTERS), "CLUSTER_AUTHORIZATION_FAILED"),
]


@pytest.mark.parametrize(("user", "attempt", "expected"), ATTEMPTS)
def test_each_user_may_do_its_work_and_nothing_else(
    secured: Secured, user: str, attempt: attempts.Attempt, expected: str
):
    assert attempts.answer(attempt, secured.link(user)) in expected.split(" or ")


def test_nobody_comes_in_without_the_right_password(secured: Secured):
    assert attempts.answer(attempts.look, secured.link("consumer", "a wrong one")) == "_AUTHENTICATION"
    assert attempts.answer(attempts.look, secured.link("nobody", "a wrong one")) == "_AUTHENTICATION"


def test_the_scripts_take_the_settings_and_say_what_is_refused(secured: Secured, run_script: Run):
    sent = run_script("producer.py", "--count", 20, "--unpaced", env=secured.options("producer"))
    read = run_script(
        "consumer.py", "--from-beginning", "--duration", 3, "--interval", 2, env=secured.options("consumer")
    )
    refused = run_script("producer.py", "--count", 20, "--unpaced", env=secured.options("consumer"))
    unknown = run_script("consumer.py", "--duration", 3, env=secured.options("consumer", "a wrong one"))
    missing = run_script("producer.py", "--count", 1, "--topic", "another", env=secured.options("producer"))
    plain = run_script("consumer.py", "--servers", secured.servers, "--topic", READINGS, "--duration", 3)
    strange = {**secured.options("consumer"), "PIPELINE_SSL_CA": None}
    untrusted = run_script("consumer.py", "--duration", 3, env=strange)

    assert (sent.code, read.code) == (0, 0), sent.stderr + read.stderr
    assert "20 acknowledged, 0 failed" in sent.stderr
    assert "collected 20 sensor records" in read.stdout
    for done, said in (
        (refused, "the broker does not let us write to readings: "),
        (unknown, "does not let us in: "),
        (missing, "topic another cannot be created at "),
        (plain, "does not speak Kafka as we do; see that it is a broker"),
        (untrusted, "certificate verify failed"),
    ):
        assert done.code == 1, done.stderr
        last = done.stderr.splitlines()[-1]
        assert said in last, done.stderr
        assert "Traceback" not in done.stderr
        assert "a wrong one" not in done.stderr


def test_passwords_and_rights_are_set_again_as_they_should_be(secured: Secured, run_script: Run):
    given = {"consumer": secrets.token_hex(16)}
    credentials.ensure_tls(secured.folder, given, [], datetime.now(UTC))
    narrow = {**broker_access.rights(READINGS, ALERTS, LETTERS), "consumer": [(ALERTS, broker_access.READ)]}

    broker_access.ensure(secured.admin, credentials.kafka_passwords(secured.folder), narrow)

    assert attempts.answer(attempts.read(ALERTS), secured.link("consumer", given["consumer"])) == "allowed"
    assert attempts.answer(attempts.read(READINGS), secured.link("consumer")) == "TOPIC_AUTHORIZATION_FAILED"

    # and by the command, everything is as at first
    names = ("--topic", READINGS, "--alerts-topic", ALERTS, "--dead-letter-topic", LETTERS)
    done = run_script("provision.py", "users", "--folder", secured.folder, "--servers", secured.admin.servers, *names)
    assert done.code == 0, done.stderr
    assert "users: job, producer, consumer, mender; rights added: 4, taken away: 0" in done.stderr
    assert attempts.answer(attempts.read(READINGS), secured.link("consumer")) == "allowed"


def test_a_task_sends_as_the_job_without_the_files_of_its_driver(secured: Secured):
    link = secured.link("job").portable()
    assert not any("location" in name for name, _ in link.security)
    before = len(read_all(secured.admin.servers, ALERTS))

    send_two_alerts(link)

    assert len(read_all(secured.admin.servers, ALERTS)) == before + 2


@pytest.mark.parametrize("user", ["consumer", "mender"])
def test_a_task_that_may_not_send_says_so(secured: Secured, user: str):
    with pytest.raises(TaskError, match="uthoriz"):
        send_two_alerts(secured.link(user))


def send_two_alerts(link: Connection) -> None:
    alert = {"topic": ALERTS, "key": b"sensor_1", "value": b"{}"}
    with closing(Outbox(link)) as outbox:
        outbox.send([alert, alert])
        outbox.finish()

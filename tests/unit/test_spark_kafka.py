from __future__ import annotations

import pytest

from pipeline.broker import Connection
from pipeline.spark_kafka import java_properties, sink_options


def test_a_plain_connection_is_its_addresses_alone():
    assert java_properties(Connection("a:1,b:2")) == {"bootstrap.servers": "a:1,b:2"}


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [
        ("PLAIN", "org.apache.kafka.common.security.plain.PlainLoginModule"),
        ("SCRAM-SHA-256", "org.apache.kafka.common.security.scram.ScramLoginModule"),
        ("SCRAM-SHA-512", "org.apache.kafka.common.security.scram.ScramLoginModule"),
    ],
)
def test_user_and_password_become_a_login_module(mechanism, module):
    security = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": "ann",
        "sasl.password": "secret",
    }

    assert java_properties(Connection("a:1", tuple(security.items()))) == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": f'{module} required username="ann" password="secret";',
    }


def test_a_password_with_quotes_and_backslashes_stays_one_word():
    security = (("sasl.mechanism", "PLAIN"), ("sasl.username", 'a"b'), ("sasl.password", r'x\y"; z="\\'))

    config = java_properties(Connection("a:1", security))["sasl.jaas.config"]

    assert config.endswith(r' required username="a\"b" password="x\\y\"; z=\"\\\\";')


def test_certificates_become_their_content_which_executors_need_not_have(tmp_path):
    names = {
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": "client.pem",
        "ssl.key.location": "client.key",
    }
    for name in names.values():
        (tmp_path / name).write_text(f"-----BEGIN {name}-----\n")
    security = (("security.protocol", "SSL"), *((one, str(tmp_path / name)) for one, name in names.items()))

    assert java_properties(Connection("a:1", security)) == {
        "bootstrap.servers": "a:1",
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "-----BEGIN ca.pem-----\n",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "-----BEGIN client.pem-----\n",
        "ssl.keystore.key": "-----BEGIN client.key-----\n",
    }


def test_what_is_written_is_acknowledged_by_all_and_compressed():
    options = sink_options(Connection("a:1", (("security.protocol", "SSL"),)))

    assert options == {
        "kafka.bootstrap.servers": "a:1",
        "kafka.security.protocol": "SSL",
        "kafka.acks": "all",
        "kafka.compression.type": "lz4",
    }

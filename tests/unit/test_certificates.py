"""Certificates are what clients and servers take, and are made again when they have to be."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import certificates
from pipeline.console import UserError

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> certificates.Authority:
    return certificates.ensure_authority(tmp_path / "authority.pem", NOW)


def handshake(server_pem: Path, authority: certificates.Authority, name: str) -> None:
    """Let a client that trusts the authority talk to a server under a name; raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(server_pem)
    server.load_verify_locations(cadata=authority.pem)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cadata=authority.pem)
    # Servers are clients of each other by the same certificate.
    client.load_cert_chain(server_pem)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as talk:
                talk.sendall(talk.recv(2))
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as talk:
            talk.sendall(b"hi")
            assert talk.recv(2) == b"hi"
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["kafka", "localhost", "127.0.0.1", "::1"])
def test_a_server_is_trusted_under_each_of_its_names(tmp_path: Path, authority: certificates.Authority, name: str):
    path = tmp_path / "server.pem"
    certificates.ensure_signed(authority, path, "kafka", ["kafka", "localhost", "127.0.0.1", "::1"], NOW)

    handshake(path, authority, name)

    with pytest.raises(ssl.SSLError):
        handshake(path, authority, "mongo")


def test_nobody_trusts_another_authority(tmp_path: Path, authority: certificates.Authority):
    other = certificates.ensure_authority(tmp_path / "other.pem", NOW)
    certificates.ensure_signed(other, tmp_path / "server.pem", "kafka", ["localhost"], NOW)

    with pytest.raises(ssl.SSLError):
        handshake(tmp_path / "server.pem", authority, "localhost")


def test_what_is_right_stays_and_what_is_not_is_made_again(tmp_path: Path, authority: certificates.Authority):
    path = tmp_path / "server.pem"

    def ensure(hosts: list[str], now: datetime = NOW, of: certificates.Authority = authority) -> bool:
        return certificates.ensure_signed(of, path, "kafka", hosts, now)

    soon = NOW + timedelta(days=certificates.SIGNED_DAYS - certificates.RENEWAL_DAYS - 1)
    assert [ensure(["kafka"]), ensure(["kafka"]), ensure(["kafka"], soon)] == [True, False, False]
    # other names, a near end, another authority
    assert [ensure(["kafka", "10.0.0.5"]), ensure(["kafka", "10.0.0.5"])] == [True, False]
    assert ensure(["kafka", "10.0.0.5"], soon + timedelta(days=2))
    assert ensure(["kafka", "10.0.0.5"], of=certificates.ensure_authority(tmp_path / "other.pem", NOW))


def test_the_authority_stays_and_its_key_is_its_owners_alone(tmp_path: Path, authority: certificates.Authority):
    path = tmp_path / "authority.pem"

    assert certificates.ensure_authority(path, NOW).pem == authority.pem
    assert path.stat().st_mode & 0o777 == 0o400
    assert "PRIVATE" not in authority.pem


def test_a_file_that_holds_none_is_said_to(tmp_path: Path):
    (tmp_path / "authority.pem").write_text("nothing of the kind")

    with pytest.raises(UserError, match=r"authority\.pem cannot be read: it holds no key and certificate; remove it"):
        certificates.ensure_authority(tmp_path / "authority.pem", NOW)
    with pytest.raises(UserError, match="cannot be written: No such file"):
        certificates.ensure_authority(tmp_path / "nowhere" / "authority.pem", NOW)

from __future__ import annotations

import ssl

from pipeline import truststore


def test_a_key_store_begins_with_its_magic_number_and_holds_every_certificate():
    store = truststore.keystore([b"one", b"three"])

    assert store.startswith(bytes.fromhex("feedfeed 00000002 00000002"))
    assert store.count(b"X.509") == 2
    assert b"\x00\x00\x00\x03one" in store
    assert b"\x00\x00\x00\x05three" in store


def test_without_authorities_java_keeps_its_own(tmp_path, monkeypatch):
    nowhere = ssl.DefaultVerifyPaths(None, str(tmp_path), "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)

    assert truststore.java_options(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []

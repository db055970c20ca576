from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline import kafka_server
from pipeline.console import UserError
from pipeline.java import Java


def test_a_cluster_id_is_16_bytes_in_base64_that_no_option_parser_mistakes():
    ids = {kafka_server._new_cluster_id() for _ in range(2000)}

    assert len(ids) == 2000
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", one) for one in ids)


def test_a_path_with_any_letters_survives_a_java_properties_file():
    escaped = kafka_server._escaped(Path("/data/Füße 🚀/back\\slash"))

    assert escaped == r"/data/F\u00fc\u00dfe \ud83d\ude80/back\u005cslash"


def test_data_that_was_never_formatted_has_no_cluster_id(tmp_path):
    assert kafka_server.cluster_id(tmp_path) == ""


def test_a_path_that_kafka_would_take_for_two_is_refused(tmp_path):
    nothing = Java(Path("java"), 17, "", "PATH")

    with pytest.raises(UserError, match="no comma in the path"):
        kafka_server.service(nothing, tmp_path, tmp_path / "a,b", tmp_path, 9092)


def test_nobody_answers_where_no_broker_is():
    assert kafka_server.health("127.0.0.1:1", "any")() is False

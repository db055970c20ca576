from __future__ import annotations

import os
import socket

import pytest
from harness import free_port

from pipeline import ports
from pipeline.console import UserError


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def taken(request):
    with socket.socket() as server:
        server.bind((request.param, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_nobody_has_is_free():
    assert ports.is_free(free_port())


def test_a_port_on_which_a_server_listens_is_not_free_and_its_holder_is_named(taken):
    assert not ports.is_free(taken)
    assert f"(pid {os.getpid()})" in ports.holder(taken)


def test_the_first_free_port_is_chosen(taken):
    other = free_port()

    assert ports.first_free([taken, other]) == other


def test_no_free_port_is_an_error(taken):
    with pytest.raises(UserError, match="no free port"):
        ports.first_free([taken])

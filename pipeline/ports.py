"""Ports on 127.0.0.1: which are free, and who holds one that is not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

import psutil

from pipeline.console import UserError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on the port; raises UserError where this user may not."""
    with socket.socket() as probe:
        # As servers do: connections that linger after a server's end do not hold its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise UserError(f"port {port} is reserved for the system; choose one above 1023") from None
            return False
    # Where a server listens on all addresses, some systems let ours be bound all the same.
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) != 0


def first_free(candidates: Iterable[int]) -> int:
    """The first port that is free; raises UserError when none is."""
    for port in candidates:
        if is_free(port):
            return port
    raise UserError("no free port was found on 127.0.0.1; end what holds them")


def holder(port: int) -> str:
    """The process that listens on a port, as 'java (pid 123)', or 'another process' where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another process"


def not_ours(error: OSError, host: str, port: int, option: str) -> UserError:
    """What to tell when a port cannot be listened on; `option` is the one that chooses it."""
    if error.errno == errno.EADDRINUSE:
        what = f"port {port} is taken by {holder(port)}; end that"
    else:
        what = f"{host}:{port} cannot be listened on: {error.strerror}; repair that"
    return UserError(f"{what} or choose another with {option}")

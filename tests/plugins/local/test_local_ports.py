"""evalyard_local.ports: what listens on this machine, and where nothing does."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from evalyard_local.ports import free_port, port_in_use

HOST = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as server:
        yield server


def test_a_port_with_a_listener_is_in_use(listener: socket.socket) -> None:
    assert port_in_use(HOST, listener.getsockname()[1])


def test_a_port_is_free_again_once_its_listener_closed(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    # A connection that the server's side closed first lingers; it does not keep a new server from the port.
    with socket.create_connection((HOST, port)):
        accepted, _ = listener.accept()
        accepted.close()
    listener.close()
    assert not port_in_use(HOST, port)


def test_looking_at_a_port_leaves_it_free() -> None:
    port = free_port(HOST)
    assert not port_in_use(HOST, port)
    with socket.create_server((HOST, port)):
        assert port_in_use(HOST, port)


def test_a_free_port_is_nobodys(listener: socket.socket) -> None:
    taken = listener.getsockname()[1]
    ports = {free_port(HOST) for _ in range(20)}
    assert taken not in ports
    assert all(0 < port < 65536 for port in ports)

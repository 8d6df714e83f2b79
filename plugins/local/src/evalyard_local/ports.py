"""Ports of this machine."""

from __future__ import annotations

import socket


def port_in_use(host: str, port: int) -> bool:
    """Whether something listens on a port already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
        return False


def free_port(host: str) -> int:
    """Return a port that nobody listens on now. Somebody may take it before it is used: then the server says so."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port

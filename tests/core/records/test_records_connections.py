"""evalyard.records.connections: which of them are the same backend."""

from __future__ import annotations

from evalyard.records.connections import Connection


def test_equal_connections_share_a_key_whatever_the_order_of_their_address() -> None:
    one = Connection(executor="slurm", address={"host": "h", "user": "u"})
    other = Connection(executor="slurm", address={"user": "u", "host": "h"})
    assert one.key == other.key
    assert one.key != Connection(executor="slurm", address={"host": "h"}).key
    assert one.key != Connection(executor="local", address=one.address).key

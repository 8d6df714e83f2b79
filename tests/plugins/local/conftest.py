"""Real processes for the tests of the local executor, ended after each test."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.plugins.local.attempts import Yard, open_yard


@pytest.fixture
def yard() -> Iterator[Yard]:
    """Starts processes; after the test none of them lives."""
    with open_yard() as made:
        yield made


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was signalled, in order: process id and signal; the signals are really sent."""
    sent: list[tuple[int, int]] = []
    send = psutil.Process.send_signal

    def record(process: psutil.Process, number: int) -> None:
        sent.append((process.pid, number))
        send(process, number)

    monkeypatch.setattr(psutil.Process, "send_signal", record)
    return sent

"""An endpoint, and a desk of each test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard.serving.demo.server import Behaviour, DemoServer
from tests.backends import require_backend
from tests.docs.play import end_all_runs
from tests.examples.desk import MODEL, Desk


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    server = DemoServer("127.0.0.1", 0, Behaviour(models=(MODEL,)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def desk(
    server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    require_backend("local")
    monkeypatch.chdir(tmp_path)
    yield Desk(folder=tmp_path, url=server.url, capture=capsys)
    end_all_runs()

"""A real MLflow server with a database, on loopback; each test has an experiment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from mlflow import MlflowClient
from mlflow.entities import Run

DEADLINE_S = 120.0


@frozen
class Server:
    """The server, and the experiment of a test."""

    url: str
    client: MlflowClient
    experiment: str

    def runs(self) -> list[Run]:
        """Return the runs of the experiment, those of the latest job first."""
        found = self.client.get_experiment_by_name(self.experiment)
        return list(self.client.search_runs([found.experiment_id])) if found else []

    def files(self, run: Run, folder: str = "") -> set[str]:
        """Return the paths of a run's artifacts."""
        names: set[str] = set()
        for entry in self.client.list_artifacts(run.info.run_id, folder):
            names |= self.files(run, entry.path) if entry.is_dir else {entry.path}
        return names


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server for all tests; it and its workers are gone afterwards."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = [f"--backend-store-uri=sqlite:///{folder}/runs.db", f"--artifacts-destination={folder}/artifacts"]
    arguments += ["--host=127.0.0.1", f"--port={port}", "--workers=1", "--gunicorn-opts=--log-level=warning"]
    program = str(Path(sys.executable).with_name("mlflow"))
    home = os.environ | {"HOME": str(folder), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "server", *arguments], stdout=log, stderr=log, cwd=folder, env=home, start_new_session=True
        )
    try:
        give_up = time.monotonic() + DEADLINE_S
        while not _answers(f"{address}/health"):
            said = (folder / "log").read_text(errors="replace")
            assert process.poll() is None, said
            assert time.monotonic() < give_up, said
            time.sleep(0.1)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def server(url: str, request: pytest.FixtureRequest) -> Server:
    return Server(url, MlflowClient(tracking_uri=url), f"experiment of {request.node.name}")

"""A cluster for each test, with nothing on it that others left, and yards that reach it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard.serving.demo.server import Behaviour, DemoServer
from tests.slurm.cluster import Cluster
from tests.slurm.slurmyard import SlurmYard
from tests.slurm.sshd import Login


@pytest.fixture
def cluster(plain_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster of two idle nodes, n1 and n2, without accounting; jobs that a test leaves are ended."""
    yield plain_cluster
    plain_cluster.tidy()


@pytest.fixture
def cluster_with_accounting(accounting_cluster: Cluster) -> Iterator[Cluster]:
    """The same with accounting and nodes m1 and m2, where the kernel ends what takes too much memory."""
    yield accounting_cluster
    accounting_cluster.tidy()


@pytest.fixture
def login(plain_login: Login, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Login:
    """The login machine of the cluster without accounting; `ssh` reaches it under its hostname."""
    assert plain_login.cluster is cluster
    monkeypatch.setenv("PATH", str(plain_login.bin), prepend=os.pathsep)
    return plain_login


@pytest.fixture
def yard(tmp_path: Path, login: Login) -> Iterator[SlurmYard]:
    """A yard that reaches the cluster without accounting over ssh."""
    yard = SlurmYard(tmp_path, login.cluster, login.hostname)
    try:
        yield yard
    finally:
        yard.end_everything()


@pytest.fixture
def near_yard(tmp_path: Path, cluster_with_accounting: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmYard]:
    """A yard on a login machine of the cluster with accounting."""
    for name, value in cluster_with_accounting.environment.items():
        monkeypatch.setenv(name, value)
    yard = SlurmYard(tmp_path, cluster_with_accounting)
    try:
        yield yard
    finally:
        yard.end_everything()


@pytest.fixture
def endpoint(yard: SlurmYard) -> Iterator[str]:
    """The address of a demo model on this machine, as the cluster reaches it."""
    server = DemoServer(yard.cluster.this_machine, 0, Behaviour(models=("demo",)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"{server.url}/v1/chat/completions"
    server.shutdown()
    thread.join()
    server.server_close()

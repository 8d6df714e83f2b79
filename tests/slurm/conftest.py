"""Clusters that are started once for all tests that need one, and what is nobody's after a test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import require_backend
from tests.slurm.cluster import Cluster
from tests.slurm.images import busybox_image, python_image
from tests.slurm.slurmyard import SlurmYard
from tests.slurm.sshd import Login, open_login


@pytest.fixture(scope="session")
def plain_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster without accounting, started once."""
    require_backend("slurm")
    yield from _running(Cluster.start(tmp_path_factory.mktemp("slurm") / "cluster"))


@pytest.fixture(scope="session")
def accounting_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster with accounting, started once."""
    require_backend("slurm")
    require_backend("slurmdbd")
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    yield from _running(Cluster.start(folder, nodes=("m1", "m2"), accounting=True, memory_limits=True))


@pytest.fixture(scope="session")
def plain_login(plain_cluster: Cluster) -> Login:
    """Sshd on the cluster without accounting, started once."""
    return open_login(plain_cluster)


@pytest.fixture(scope="session")
def podman_busybox(plain_cluster: Cluster) -> str:
    """The reference of an image with a shell, on all nodes of the cluster without accounting."""
    require_backend("podman")
    return busybox_image(plain_cluster)


@pytest.fixture(scope="session")
def podman_python(plain_cluster: Cluster) -> str:
    """The reference of an image with a shell and python3, on all nodes of the cluster without accounting."""
    require_backend("podman")
    return python_image(plain_cluster)


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


def _running(cluster: Cluster) -> Iterator[Cluster]:
    try:
        yield cluster
    finally:
        cluster.stop()

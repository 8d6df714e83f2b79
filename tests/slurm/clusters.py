"""Clusters that are started once for all tests that need one: a pytest plugin for conftest."""

from collections.abc import Iterator

import pytest

from tests.backends import require_backend
from tests.slurm.cluster import Cluster
from tests.slurm.images import busybox_image, python_image
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


def _running(cluster: Cluster) -> Iterator[Cluster]:
    try:
        yield cluster
    finally:
        cluster.stop()

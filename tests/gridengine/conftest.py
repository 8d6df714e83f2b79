"""A cluster that is started once for all tests that need it."""

from collections.abc import Iterator

import pytest

from tests.backends import require_backend
from tests.gridengine.cluster import GridEngineCluster


@pytest.fixture(scope="session")
def one_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngineCluster]:
    """A Grid Engine cluster, started once."""
    require_backend("gridengine")
    made = GridEngineCluster.start(tmp_path_factory.mktemp("gridengine") / "root")
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(one_cluster: GridEngineCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[GridEngineCluster]:
    """The cluster, which its commands on this machine find; jobs that a test leaves are ended."""
    for name, value in one_cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield one_cluster
    one_cluster.tidy()

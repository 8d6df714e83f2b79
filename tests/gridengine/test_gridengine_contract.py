"""An executor that is little more than a `BatchSystem` keeps the contract at a real scheduler, Grid Engine."""

from pathlib import Path
from typing import ClassVar

import pytest
from evalyard_gridengine.plugin import GridEngine

from evalyard.testing import Conformance
from tests.contract.installed import metadata
from tests.gridengine.cluster import GridEngineCluster


@pytest.mark.gridengine
class TestGridEngine(Conformance):
    executor = "gridengine"
    settings: ClassVar = {"walltime": "00:10:00", "poll_interval_s": 0.1}
    not_offered = frozenset({"deployments", "fetch"})
    races = 4

    @pytest.fixture(autouse=True)
    def login_node(self, cluster: GridEngineCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The cluster, whose commands are on this machine, and the executor as if its package were installed."""
        monkeypatch.syspath_prepend(metadata(tmp_path, "evalyard-gridengine", "gridengine", GridEngine))

"""An executor that is little more than a `BatchSystem` keeps the contract at a real scheduler, Grid Engine."""

from typing import ClassVar

import pytest
from evalyard_gridengine.plugin import GridEngine

from evalyard.testing import Conformance
from tests.gridengine.cluster import GridEngineCluster


@pytest.mark.gridengine
class TestGridEngine(Conformance):
    executor_class = GridEngine
    settings: ClassVar = {"walltime": "00:10:00", "poll_interval_s": 0.1}
    not_offered = frozenset({"deployments", "discovery", "fetch"})
    races = 4

    @pytest.fixture(autouse=True)
    def login_node(self, cluster: GridEngineCluster) -> None:
        """The cluster, whose commands are on this machine."""

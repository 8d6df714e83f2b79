"""The Slurm executor keeps the contract on a login node itself: without containers, and with podman."""

from pathlib import Path
from typing import ClassVar

import pytest

from evalyard.testing import Conformance
from tests.slurm.cluster import Cluster


class Near(Conformance):
    """On a login node, whose disk is the nodes'."""

    executor = "slurm"
    settings: ClassVar = {"gres": None, "sbatch_extra_flags": {"mem": 100}, "poll_interval_s": 0.1}
    # The kit's claims are of a server that jobs share; here each job has its own.
    not_offered = frozenset({"deployments", "fetch"})
    not_in_plan = frozenset({"num_instances"})  # only 1 is taken
    stored = Path(__file__).parents[1] / "contract" / "stored" / "slurm"
    races = 4
    polls = 40
    hang_s = 1.0

    @pytest.fixture(autouse=True)
    def login_node(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)


@pytest.mark.slurm
class TestSlurmNear(Near):
    settings: ClassVar = {**Near.settings, "container_runtime": "none"}


@pytest.mark.slurm
class TestSlurmPodman(Near):
    settings: ClassVar = {**Near.settings, "container_runtime": "podman"}

    @pytest.fixture(autouse=True)
    def _image(self, podman_busybox: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(self, "image", podman_busybox)

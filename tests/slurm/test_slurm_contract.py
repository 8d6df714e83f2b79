"""The Slurm executor keeps the contract over ssh."""

from pathlib import Path
from typing import ClassVar

import pytest

from evalyard.testing import Conformance
from tests.slurm.sshd import Login


@pytest.mark.slurm
class TestSlurmOverSsh(Conformance):
    executor = "slurm"
    settings: ClassVar = {
        "container_runtime": "none",
        "gres": None,
        "poll_interval_s": 0.1,
        "sbatch_extra_flags": {"exclusive": False, "mem": 100},
    }
    # The kit's claims are of a server that jobs share; here each job has its own.
    not_offered = frozenset({"deployments"})
    not_in_plan = frozenset({"num_instances"})  # only 1 is taken
    stored = Path(__file__).parents[1] / "contract" / "stored" / "slurm"
    races = 4
    polls = 40
    hang_s = 1.0

    @pytest.fixture(autouse=True)
    def _login(self, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(self, "settings", {**self.settings, "hostname": login.hostname})

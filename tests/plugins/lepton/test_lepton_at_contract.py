"""The executor of Lepton keeps the contract, at the stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from evalyard import Observation, Plan
from evalyard.testing import Conformance
from evalyard_lepton import states
from tests.plugins.lepton.service.server import Service


class TestLepton(Conformance):
    executor = "lepton"
    settings: ClassVar = {"evaluation_tasks": {"timeout": 300}, "poll_interval_s": 0.1}
    impatient: ClassVar = {"lepton_platform": {"deployment": {"endpoint_readiness_timeout": 2}}}
    stored = Path(__file__).parents[2] / "contract" / "stored" / "lepton"
    restarts_servers = True
    hang_s = 1.0
    races = 4
    polls = 50
    serves = True
    server_config: ClassVar = {"resource_shape": "gpu.1xh200"}
    image = "an-image"
    not_offered = frozenset()
    # The one needs storage (test_lepton_runs.py); the other is no part of what makes two connections equal.
    not_in_plan = frozenset({"evaluation_tasks.use_shared_storage", "poll_interval_s"})

    @pytest.fixture(autouse=True)
    def _service(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        monkeypatch.setattr(self, "environ", service.variables)

    def read_file(self, path: str) -> bytes:
        """Read what a container has of the run directory, else what is here."""
        given = Path(path)
        for folder in (self.service.root / "replicas").glob("*"):
            for run_dir in given.parents:
                there = folder / run_dir.name / given.relative_to(run_dir)
                deployed = folder / given.relative_to(run_dir)
                for file in (there, deployed):
                    if file.is_file() and run_dir.parent.name == "runs":
                        return file.read_bytes()
        return given.read_bytes()

    def observation_of(self, word: str) -> Observation:
        """Look a word up as the executor does."""
        return states.live(word)

    def spoil(self, plan: Plan) -> None:
        """Let the service refuse a job of this name."""
        self.service.refused.add(plan.name)

    def server_answers(self, url: str) -> bool:
        """Whether the endpoint's gateway has a server behind it."""
        name = url.rpartition("/")[2]
        endpoint = self.service.endpoints.get(name)
        return endpoint is not None and not endpoint.gone.is_set() and endpoint.state() == "Ready"

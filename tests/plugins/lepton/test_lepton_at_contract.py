"""The executor of Lepton keeps the contract, at the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from evalyard.records import Plan
from evalyard.specs import DeploymentSpec, Section, TaskSpec
from evalyard.testing import Conformance
from evalyard.testing.rig import Rig, Trial, rigged
from tests.plugins.lepton.service.server import Service

TOLD = Section(name="lepton", path="deployment.lepton_config", data={"resource_shape": "gpu.1xh200"})


class LeptonRig(Rig):
    """Tells the executor what a model server runs on."""

    def trial(self, *tasks: TaskSpec, deployment: DeploymentSpec | None = None, **options: Any) -> Trial:
        return super().trial(*tasks, deployment=_told(deployment), **options)

    def dry(self, *tasks: TaskSpec, deployment: DeploymentSpec | None = None, **options: Any) -> tuple[Plan, ...]:
        return super().dry(*tasks, deployment=_told(deployment), **options)


def _told(deployment: DeploymentSpec | None) -> DeploymentSpec | None:
    return evolve(deployment, lepton_config=TOLD) if deployment else None


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
    image = "an-image"
    not_offered = frozenset()
    # The one needs storage (test_lepton_runs.py); the other is no part of what makes two connections equal.
    not_in_plan = frozenset({"evaluation_tasks.use_shared_storage", "poll_interval_s"})

    @pytest.fixture
    def rig(self, tmp_path: Path, service: Service) -> Iterator[Rig]:
        self.service = service
        with rigged(self.loaded(), self.executor, self.settings, tmp_path, self.image) as made:
            rig = LeptonRig(
                executor=made.executor, name=made.name, section=made.section, store=made.store, image=made.image
            )
            rig.environ.update(service.variables)
            yield rig
            rig.close()

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

    def spoil(self, plan: Plan) -> None:
        """Let the service refuse a job of this name."""
        self.service.refused.add(plan.name)

    def server_answers(self, url: str) -> bool:
        """Whether the endpoint's gateway has a server behind it."""
        name = url.rpartition("/")[2]
        endpoint = self.service.endpoints.get(name)
        return endpoint is not None and not endpoint.gone.is_set() and endpoint.state() == "Ready"

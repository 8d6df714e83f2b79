"""The executor of Lepton keeps the contract, at the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

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

    def trial(self, *tasks: TaskSpec, deployment: DeploymentSpec | None = None) -> Trial:
        told = evolve(deployment, lepton_config=TOLD) if deployment else None
        return super().trial(*tasks, deployment=told)


class TestLepton(Conformance):
    executor = "lepton"
    settings: ClassVar = {"evaluation_tasks": {"timeout": 300}}
    serves = True
    image = "an-image"
    not_offered = frozenset()

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

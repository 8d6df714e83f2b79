"""The contract that every executor keeps, as tests that its author subclasses.

    from evalyard.testing.contract import Conformance

    class TestMine(Conformance):
        executor = "mine"                     # the entry point's name
        settings = {"host": "localhost"}      # the execution: section, without type and output_dir
        serves = True                         # it starts model servers
        not_offered = frozenset({"orphans"})  # what it knowingly does not do

Needs pytest. A claim that cannot hold because a capability is absent fails, unless `not_offered` lists that capability:
`check`, `deployments`, `discovery`, `fetch`, `orphans`. Where the run directory is not on this machine's disk, replace
`read_file`, `file_mode`, `spoil` and `server_answers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard.testing.claims_ends import EndClaims
from evalyard.testing.claims_lifecycle import LifecycleClaims
from evalyard.testing.claims_needs import NeedClaims
from evalyard.testing.claims_output import OutputClaims
from evalyard.testing.claims_plan import PlanClaims
from evalyard.testing.rig import Rig, rigged


class Conformance(PlanClaims, LifecycleClaims, EndClaims, OutputClaims, NeedClaims):
    """Subclass it as `Test...`.

    Attributes:
        executor: the entry point's name.
        executor_class: the class itself, for an executor that is not installed; then `discovery` is not offered.
        settings: the `execution:` section, without `type` and `output_dir`.
        serves: whether it starts model servers.
        image: where jobs and servers run in containers: an image with a POSIX shell, its usual commands and python3.
        not_offered: capabilities that it knowingly lacks.
        heavy_modules: top-level packages that importing the executor must not load.
    """

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[Rig]:
        """The executor with a folder and a store of its own; whatever a claim started is ended after it."""
        executor = self.loaded()
        with rigged(executor, self.executor or executor.__name__.lower(), self.settings, tmp_path, self.image) as made:
            yield made

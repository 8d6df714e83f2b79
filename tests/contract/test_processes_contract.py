"""A small executor, made of public names alone, keeps the contract: the kit asks for no more than that."""

from pathlib import Path

import pytest

from evalyard.testing import Conformance
from tests.contract.installed import metadata
from tests.contract.mutants.processes import Processes


class TestProcesses(Conformance):
    executor = "processes"
    races = 4
    not_offered = frozenset({"check", "deployments", "fetch", "orphans", "outage"})

    @pytest.fixture(autouse=True)
    def _installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(metadata(tmp_path, "evalyard-processes", "processes", Processes))

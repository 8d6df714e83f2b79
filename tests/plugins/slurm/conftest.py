"""What the tests of the Slurm executor stand on."""

import os
from pathlib import Path

import pytest

from evalyard.plugins.context import Context
from evalyard_slurm.settings import Settings
from tests.plugins.slurm.stand_in import StandIn


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A Slurm of this machine's, whose commands are on PATH."""
    made = StandIn.made(tmp_path / "slurm")
    monkeypatch.setenv("PATH", os.pathsep.join([str(made.bin), os.environ["PATH"]]))
    return made


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    """The context of a run whose directory is a folder of the test's own."""
    connection = Settings(output_dir=str(tmp_path)).connection()
    (tmp_path / "run").mkdir()
    return Context(connection=connection, run_dir=str(tmp_path / "run"), owner="me")

"""What the tests of batch schedulers stand on."""

import os
from pathlib import Path

import pytest

from evalyard import BatchSettings, Context
from tests.core.batch.toy import Toy


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A scheduler of this machine's, whose commands are on PATH."""
    made = Toy.made(tmp_path / "toy")
    monkeypatch.setenv("PATH", os.pathsep.join([str(made.folder / "bin"), os.environ["PATH"]]))
    return made


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    """The context of a run whose directory is a folder of the test's own."""
    (tmp_path / "run").mkdir()
    connection = BatchSettings(output_dir=str(tmp_path)).connection()
    return Context(connection=connection, run_dir=str(tmp_path / "run"), owner="me")

"""Real harnesses, installed once into environments that outlive the session, in the way that users get them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import Connection, Context
from evalyard_local.environments import environment_need, provide

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".venvs" / "harnesses"
NEMO_EVALUATOR = "nemo-evaluator==0.2.8"
USERS_OWN = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
"""Where packages come from is the machine's affair: the only thing of it that these tests keep."""


@pytest.fixture(scope="session")
def nemo_programs(installing: Mapping[str, str]) -> Path:
    """The folder with `nemo-evaluator`, without any harness in it."""
    need = environment_need("nemo-evaluator", NEMO_EVALUATOR, installing)
    handle = provide(Context(connection=Connection(executor="local"), deadline=float("inf")), evolve(need, name="n"))
    return Path(handle.outputs["bin"] or Path(shutil.which("nemo-evaluator") or "").parent)


@pytest.fixture(scope="session")
def installing() -> Mapping[str, str]:
    """The environment of whoever installs."""
    return {**USERS_OWN, "EVALYARD_CACHE": str(CACHE)}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch, installing: Mapping[str, str]) -> None:
    """Let the tests' own runs find what is installed, and install what is not."""
    for name, value in installing.items():
        monkeypatch.setenv(name, value)

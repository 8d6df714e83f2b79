"""Strangers' packages need no more than what is public, and a batch scheduler not much of that."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evalyard

HERE = Path(__file__).parent
PROJECTS = sorted(path.parent for path in HERE.glob("*/pyproject.toml"))
LONGEST_BATCH_EXECUTOR = 150
"""Lines of Python, with all that is blank or a docstring."""


def imports(file: Path) -> Iterator[str]:
    """Yield the names of evalyard that a file imports: `a.b` for `from a import b`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "evalyard")
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "evalyard":
                yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("project", PROJECTS, ids=[project.name for project in PROJECTS])
def test_a_stranger_imports_public_names_alone(project: Path) -> None:
    public = {"evalyard", *(f"evalyard.{name}" for name in evalyard.__all__)}
    kit = {"evalyard.testing.Conformance", "evalyard.testing.Sweep"}
    named = {name for file in project.rglob("*.py") for name in imports(file)}
    assert named
    assert named - public - kit == set()


def test_an_executor_for_another_batch_scheduler_is_short() -> None:
    sources = (HERE / "evalyard-gridengine" / "src").rglob("*.py")
    assert 0 < sum(len(file.read_text(encoding="utf-8").splitlines()) for file in sources) <= LONGEST_BATCH_EXECUTOR

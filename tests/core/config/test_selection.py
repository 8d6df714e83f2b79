"""`-t`: which tasks are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.config import load_run, load_text
from evalyard.errors import UsageError
from evalyard.specs import RunSpec


def names(spec: RunSpec) -> list[str]:
    return [task.name for task in spec.tasks]


def test_tasks_are_picked_by_name_and_number(tmp_path: Path, base: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(base.replace("[smoke]", "[a, b, {name: a, endpoint_type: chat}, c.0]"))
    assert names(load_run(path, only_tasks=["a"])) == ["a", "a"]
    assert load_run(path, only_tasks=["a.1"]).tasks[0].endpoint_type == "chat"
    assert names(load_run(path, only_tasks=["c.0", "b"])) == ["b", "c.0"]
    picked = load_run(path, only_tasks=["a.1"])
    assert names(load_text(picked.resolved, "r")) == ["a"]
    with pytest.raises(UsageError) as caught:
        load_run(path, only_tasks=["b", "x"])
    assert str(caught.value) == "no task is called 'x'\n  the tasks are: a.0, b, a.1, c.0"

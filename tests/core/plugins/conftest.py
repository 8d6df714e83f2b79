"""Packages that exist for one test: a module and its metadata in a folder on sys.path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., None]

EXECUTOR = """
import attrs
from evalyard import Connection, Handle, LogChunk, Observation, Plan, hookimpl
from evalyard.states import JobState

@attrs.frozen(kw_only=True)
class Settings:
    output_dir: str = "/out"
    def connection(self):
        return Connection(executor="toy")

class Toy:
    api = 1
    Settings = Settings
    @hookimpl
    def plan(self, settings, job):
        return Plan(job=job.id, task=job.task.name, attempt=job.attempt, name=job.name, mark=job.mark, directory="/d")
    @hookimpl
    def launch(self, ctx, plans):
        return {plan.name: Handle(name=plan.name, mark=plan.mark) for plan in plans}
    @hookimpl
    def find(self, ctx, names):
        return {}
    @hookimpl
    def status(self, ctx, handles):
        return {handle.name: Observation(state=JobState.RUNNING) for handle in handles}
    @hookimpl
    def logs(self, ctx, handle, role, cursor, limit):
        return LogChunk()
    @hookimpl
    def cancel(self, ctx, handles):
        return ()
    @hookimpl
    def teardown(self, ctx, handles):
        return ()
"""
"""The least that an executor is."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package with one plugin: `install("evalyard.executors", "toy", "Toy", code)`."""
    numbers = count(1)

    def call(
        group: str, name: str, attribute: str, code: str, *, package: str = "", version: str = "1.2", module: str = ""
    ) -> None:
        package = package or f"evalyard-{name}"
        module = module or f"{package.replace('-', '_')}_{tmp_path.name.replace('-', '_')}"
        folder = tmp_path / f"site{next(numbers)}"
        info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute}\n")
        (folder / f"{module}.py").write_text(dedent(code))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return call

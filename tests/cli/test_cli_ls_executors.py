"""`evalyard ls executors`: every installed executor in a line, whatever is wrong with one of them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalyard.cli.app import call
from evalyard.plugins.markers import API
from tests.backends import require_backend

Install = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def _with_the_local_executor() -> None:
    require_backend("local")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package `stranger-NAME` whose executor's module is this text."""

    def call(name: str, source: str) -> None:
        info = tmp_path / f"stranger_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[evalyard.executors]\n{name} = stranger_{name}:Stranger\n")
        (tmp_path / f"stranger_{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)

    return call


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert call(["ls", "executors", "--json"]) == 0
    return {row["executor"]: row for row in json.loads(capsys.readouterr().out)}


def test_an_executor_is_shown_with_its_api_and_what_it_offers(capsys: pytest.CaptureFixture[str]) -> None:
    local = rows(capsys)["local"]
    assert (local["package"], local["api"], local["problem"]) == ("evalyard-local", API, "")
    assert local["capabilities"] == ["check", "provision", "orphans"]
    assert call(["ls", "executors"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["executor", "package", "version", "api", "capabilities"]
    assert any(line.startswith("local ") and line.endswith("  check, provision, orphans") for line in lines)


def test_a_broken_one_says_why_in_its_line_and_the_others_are_shown(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("broken", "raise RuntimeError('half\\nan upgrade')")
    listed = rows(capsys)
    assert "stranger-broken 1.0 cannot be loaded: RuntimeError: half an upgrade" in listed["broken"]["problem"]
    assert (listed["broken"]["api"], listed["broken"]["capabilities"]) == (None, [])
    assert listed["local"]["problem"] == ""
    assert call(["ls", "executors"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[-1] == "problem"
    (line,) = (line for line in shown if line.startswith("broken "))
    assert line.endswith("RuntimeError: half an upgrade")


def test_what_a_stranger_prints_is_not_part_of_the_list(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("chatty", "print('welcome'); raise SystemExit('and goodbye')")
    assert rows(capsys)["chatty"]["problem"].endswith("SystemExit: and goodbye")


def test_other_commands_import_no_executor(install: Install, tmp_path: Path) -> None:
    install("noted", f"import pathlib; pathlib.Path({str(tmp_path / 'imported')!r}).touch()")
    for command in (["--help"], ["plugin", "new", "--help"], ["ls", "examples"], ["ls", "runs"]):
        environ = {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(["env", *(f"{k}={v}" for k, v in environ.items()), "evalyard", *command], check=False)
        assert done.returncode == 0
    assert not (tmp_path / "imported").exists()

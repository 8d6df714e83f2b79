"""What `evalyard plugin new` writes, as a wheel in a clean room; docs/executors/custom.md runs the kit in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from tests.outside.cleanroom import CleanRoom, build_wheel
from tests.outside.test_untouched import changed_files


@frozen(kw_only=True)
class Written:
    """The package as it was written, and a clean room with its wheel and core's: no other executor is there."""

    package: Path
    room: CleanRoom


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, wheel: Callable[[str], Path]) -> Written:
    folder = tmp_path_factory.mktemp("scaffold")
    room = CleanRoom(folder=folder / "room")
    room.install(wheel("evalyard"))
    room.call("plugin", "new", "mine", "--into", str(folder))
    room.install(build_wheel(folder / "evalyard-mine", folder / "dist"))
    for name in ("pytest", "types-psutil"):
        room.link(name)
    return Written(package=folder / "evalyard-mine", room=room)


def test_it_is_the_only_executor_and_offers_what_it_can(written: Written) -> None:
    room = written.room
    room.run(str(room.python), "-P", "-c", "import evalyard_local", code=1)
    (row,) = json.loads(room.call("ls", "executors", "--json").stdout)
    assert (row["executor"], row["package"], row["problem"]) == ("mine", "evalyard-mine", "")
    assert row["capabilities"] == ["check", "provision", "orphans"]


def test_it_evaluates_a_model_that_it_serves_and_leaves_nothing_behind(written: Written) -> None:
    room = written.room
    run = room.call("run", "--config", "smoke.yaml", "--wait", cwd=written.package).stdout.split()[0]
    (job,) = json.loads(room.call("status", run, "--json").stdout)
    assert (job["state"], job["executor"]) == ("SUCCEEDED", "mine")
    assert json.loads(room.call("results", run, "--json").stdout)
    assert room.call("gc").stderr.strip() == "nothing is left behind"
    assert changed_files(room) == []


def test_it_is_typed_as_strictly_as_it_asks_for(written: Written, tmp_path: Path) -> None:
    python = str(written.room.python)
    argv = [sys.executable, "-m", "mypy", "--python-executable", python, "--cache-dir", str(tmp_path)]
    done = subprocess.run(argv, cwd=written.package, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_own_tests_of_words_pass(written: Written) -> None:
    python = str(written.room.python)
    written.room.run(python, "-P", "-m", "pytest", "-q", "tests/test_states.py", cwd=written.package)

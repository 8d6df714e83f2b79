"""evalyard.testing.killpoints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalyard.testing.killpoints import KillPoint, points

PROGRAM = """\
import threading

LIMIT = 3


def main(arguments):
    for number in range(LIMIT):
        say(f"{arguments[0]} {number}")
    worker = threading.Thread(target=say, args=("thread",))
    worker.start()
    worker.join()
    return 4


def say(text):
    with open("said", "a") as stream:
        stream.write(text + " ")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "doomed").mkdir()
    (tmp_path / "doomed" / "__init__.py").touch()
    (tmp_path / "doomed" / "work.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def drive(folder: Path, *options: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "evalyard.testing.killpoints", "--watch", "doomed", *options]
    done = subprocess.run([*argv, "doomed.work:main", "--word"], cwd=folder, env=os.environ, check=False)
    said = folder / "said"
    return done.returncode, said.read_text(encoding="utf-8") if said.exists() else ""


def test_recording_counts_every_line_of_the_package_and_none_of_its_import(folder: Path) -> None:
    code, said = drive(folder, "--record", "counts.json")
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    assert (code, said) == (4, "--word 0 --word 1 --word 2 thread ")
    assert counts["doomed/work.py:8"] == 3
    assert counts["doomed/work.py:17"] == 4
    assert "doomed/work.py:3" not in counts


def test_it_dies_before_the_chosen_line_is_executed_for_the_chosen_time(folder: Path) -> None:
    assert drive(folder, "--kill", "doomed/work.py:17:2") == (-9, "--word 0 ")


def test_it_dies_in_a_thread_too(folder: Path) -> None:
    assert drive(folder, "--kill", "doomed/work.py:17:4") == (-9, "--word 0 --word 1 --word 2 ")


def test_a_point_that_is_never_reached_changes_nothing(folder: Path) -> None:
    assert drive(folder, "--kill", "doomed/work.py:17:9") == (4, "--word 0 --word 1 --word 2 thread ")


def test_what_is_left_out_does_nothing(folder: Path) -> None:
    assert drive(folder, "--leave-out", "doomed.work:say") == (4, "")


def test_the_points_are_the_first_and_the_last_time_of_every_line() -> None:
    once, twice = KillPoint(line="a/b.py:1", occurrence=1), KillPoint(line="a/b.py:2", occurrence=1)
    assert points({"a/b.py:1": 1, "a/b.py:2": 7}) == [once, twice, KillPoint(line="a/b.py:2", occurrence=7)]
    assert str(once) == "a/b.py:1:1"


def test_a_plain_module_can_be_watched(folder: Path) -> None:
    (folder / "alone.py").write_text("def main(arguments):\n    return len(arguments)\n", encoding="utf-8")
    record = folder / "record.json"
    argv = [sys.executable, "-m", "evalyard.testing.killpoints", "--watch", "alone", "--record", str(record)]
    done = subprocess.run([*argv, "alone:main", "one", "two"], cwd=folder, check=False)
    assert done.returncode == 2
    assert json.loads(record.read_text(encoding="utf-8")) == {"alone.py:2": 1}

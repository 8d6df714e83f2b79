"""Strangers' wheels that are broken: one line says which and why, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.outside.cleanroom import CleanRoom
from tests.outside.strangers import BROKEN
from tests.outside.test_extensions import configure, task


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, wheel: Callable[[str], Path]) -> CleanRoom:
    """A clean room with the local executor, and with every broken wheel."""
    folder = tmp_path_factory.mktemp("broken")
    made = CleanRoom(folder=folder / "room")
    made.install(wheel("evalyard"), wheel("evalyard-local"), *(one.wheel(folder) for one in BROKEN))
    return made


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "package evalyard-raises 1.0 cannot be loaded: RuntimeError: half an upgrade"),
        ("future", "package evalyard-future 1.0 is written for API 99; this evalyard has API"),
        ("mine", "is claimed by more than one package: evalyard-mine 1.0"),
        ("misspelt", "a hook does not fit its specification: unknown hook 'provison'"),
    ],
)
def test_who_asks_for_a_broken_executor_reads_one_line_with_its_package(
    room: CleanRoom, tmp_path: Path, name: str, said: str
) -> None:
    config = configure(tmp_path, task("one"), extensions={})
    config.write_text(config.read_text().replace('"local", "use_docker": false', f'"{name}"'))
    done = room.call("run", "-c", str(config), code=2)
    error, *hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert name in error
    assert len(hint) <= 1, done.stderr


def test_an_extension_that_would_answer_for_the_executor_is_refused_by_name(room: CleanRoom, tmp_path: Path) -> None:
    config = configure(tmp_path, task("one"), extensions={"plain": {}})
    done = room.call("run", "-c", str(config), code=2)
    (error,) = done.stderr.splitlines()
    assert "extension 'plain' (evalyard_plain) implements the hook 'launch' plainly" in error


def test_they_disturb_neither_a_run_elsewhere_nor_the_listings(room: CleanRoom, tmp_path: Path) -> None:
    config = configure(tmp_path, task("one"), extensions={})
    done = room.call("run", "-c", str(config), "--wait")
    assert "broken" not in done.stderr
    (row,) = json.loads(room.call("status", done.stdout.strip(), "--json").stdout)
    assert row["state"] == "SUCCEEDED"
    for command in (["--help"], ["ls", "tasks", "gsm8k"], ["validate", str(config)]):
        assert room.call(*command).stderr == ""


def test_the_listing_says_of_each_what_is_wrong(room: CleanRoom) -> None:
    listed = room.call("ls", "executors", code=None).stdout
    for package in ("evalyard-local", "evalyard-raises", "evalyard-future", "evalyard-mine-too", "evalyard-misspelt"):
        assert package in listed
    assert "half an upgrade" in listed
    assert "API 99" in listed

"""tests.conftest: nothing of the user's environment reaches a test."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from evalyard import redact


def test_variables_of_the_user_are_gone() -> None:
    names = {name.lower() for name in os.environ}
    assert not {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "xdg_state_home", "pythonpath"} & names
    assert not [name for name in names if name.endswith(("_api_key", "_token"))]


def test_state_home_is_empty_and_below_a_home_of_its_own(tmp_path: Path) -> None:
    home = Path(os.environ["HOME"])
    assert Path(os.environ["EVALYARD_HOME"]).parent == home
    assert home.parent == tmp_path.parent
    assert not list(home.iterdir())


def test_programs_find_this_interpreter_first() -> None:
    python = shutil.which("python")
    assert python is not None
    assert Path(python).parent == Path(sys.executable).parent


@pytest.mark.parametrize("_", ["first", "second"])
def test_what_one_test_learns_to_hide_is_shown_to_the_next(_: str) -> None:
    assert redact("mine alone") == "mine alone"
    redact.add(["mine alone"])
    assert redact("mine alone") == "***"

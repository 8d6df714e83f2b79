"""evalyard.store.home: where records live."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalyard.store.home import state_home


@pytest.mark.parametrize(
    ("variables", "home"),
    [
        ({}, "HOME/.local/state/evalyard"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/evalyard"),
        ({"XDG_STATE_HOME": "relative"}, "HOME/.local/state/evalyard"),
        ({"EVALYARD_HOME": "/own", "XDG_STATE_HOME": "/xdg"}, "/own"),
        ({"EVALYARD_HOME": "~/own"}, "HOME/own"),
        ({"EVALYARD_HOME": "here"}, "CWD/here"),
        ({"EVALYARD_HOME": ""}, "HOME/.local/state/evalyard"),
    ],
    ids=["default", "xdg", "relative xdg is invalid", "own first", "tilde", "relative", "empty"],
)
def test_the_state_home_is_where_the_environment_says(
    variables: dict[str, str], home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVALYARD_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(state_home()) == home.replace("HOME", str(tmp_path / "me")).replace("CWD", str(tmp_path))
    assert not (tmp_path / "me").exists()

"""Wheels and clean rooms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.outside.cleanroom import CleanRoom, build_wheel

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
OURS = {"evalyard": CHECKOUT / "core", "evalyard-local": CHECKOUT / "plugins" / "local"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the wheel of a distribution: one of ours, or one of the strangers' beside this file."""
    folder = tmp_path_factory.mktemp("wheels")
    made: dict[str, Path] = {}

    def give(name: str) -> Path:
        if name not in made:
            made[name] = build_wheel(OURS.get(name, HERE / name), folder / name)
        return made[name]

    return give


@pytest.fixture
def room(tmp_path: Path, wheel: Callable[[str], Path]) -> CleanRoom:
    """A clean room with evalyard's core alone."""
    made = CleanRoom(folder=tmp_path / "room")
    made.install(wheel("evalyard"))
    return made

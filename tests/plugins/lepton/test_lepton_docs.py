"""docs/executors/lepton.md: what it shows happens, at the stand-in, and it names every key."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from evalyard_lepton.server_settings import ServerSettings
from evalyard_lepton.settings import EvaluationTasks, Settings, TaskPlatform
from tests.docs.blocks import REPOSITORY, read_page
from tests.docs.play import Player, end_all_runs
from tests.plugins.lepton.service.server import Service

PAGE = read_page(REPOSITORY / "docs" / "executors" / "lepton.md")


def test_every_command_and_configuration_does_what_the_page_shows(service: Service, tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    impatient = tmp_path / PAGE.path.name
    # A service of our own may be asked often.
    impatient.write_text(
        PAGE.path.read_text().replace("  output_dir: runs", "  output_dir: runs\n  poll_interval_s: 0.1")
    )
    player = Player(tmp_path / "checkout", "127.0.0.1:9")
    try:
        player.play(read_page(impatient))
    finally:
        end_all_runs()
    assert service.live_endpoints() == []


@pytest.mark.parametrize("settings", [Settings, EvaluationTasks, TaskPlatform, ServerSettings])
def test_every_key_is_on_the_page(settings: type[attrs.AttrsInstance]) -> None:
    for field in attrs.fields(settings):
        assert f"`{field.name}`" in PAGE.prose, field.name

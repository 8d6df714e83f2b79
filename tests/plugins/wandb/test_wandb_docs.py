"""docs/exporting.md says of this exporter what it does."""

from __future__ import annotations

from evalyard import ExportSettings
from evalyard.config import load_exports
from evalyard.exports.destination import destination
from evalyard_wandb.settings import WandbSettings
from tests.docs.exporters import EXPORTING, documented_settings, settings_of


def test_its_keys_are_documented_with_their_defaults() -> None:
    common = settings_of(ExportSettings).keys()
    assert documented_settings("wandb") == {k: v for k, v in settings_of(WandbSettings).items() if k not in common}


def test_the_example_is_a_section_that_it_takes() -> None:
    (block,) = [block for block in EXPORTING.blocks if (block.directive, block.argument) == ("with", "wandb")]
    sections, _ = load_exports(block.text, block.place)
    chosen = destination("wandb", sections)
    assert isinstance(chosen.settings, WandbSettings)
    assert "destinations: [wandb]" in block.text

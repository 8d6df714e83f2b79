"""What docs/exporting.md says of the settings of exporters, and what their classes say."""

from __future__ import annotations

from typing import Any

import attrs
from ruamel.yaml import YAML

from tests.docs.blocks import REPOSITORY, read_page, table

EXPORTING = read_page(REPOSITORY / "docs" / "exporting.md")


def documented_settings(heading: str) -> dict[str, Any]:
    """Return the keys in the table below a heading with their defaults."""
    cells = ([cell.strip("`") for cell in row] for row in table(EXPORTING, heading))
    return {key: YAML(typ="safe").load(default) for key, default, _ in cells}


def settings_of(cls: type[Any]) -> dict[str, Any]:
    """Return the keys of a class of settings with their defaults, as YAML has them."""
    made = cls()
    values = {field.name: getattr(made, field.name) for field in attrs.fields(cls)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

"""Executors of the tests as if packages had installed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def metadata(folder: Path, package: str, name: str, executor: type[Any]) -> str:
    """Write what an installed package says of itself; return the folder to put on the path."""
    place = folder / package / f"{package.replace('-', '_')}-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    entry = f"[evalyard.executors]\n{name} = {executor.__module__}:{executor.__name__}\n"
    (place / "entry_points.txt").write_text(entry, encoding="utf-8")
    return str(folder / package)

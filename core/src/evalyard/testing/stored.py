"""Records as an executor's releases leave them: kept as files, so that later releases can be shown to read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from attrs import frozen

from evalyard.plugins.discovery import EXECUTORS, installed
from evalyard.records.connections import Connection
from evalyard.records.handles import Handle
from evalyard.records.plans import Plan
from evalyard.store.journal import converter

kept_in: list[Path] = []
"""Where records are to be kept; empty = nowhere. `pytest --evalyard-record FOLDER` sets it."""
ELSEWHERE = "/where/it/was/made"
"""What stands in kept records for the folder of the test."""


@frozen(kw_only=True)
class Kept:
    """The records of one run."""

    connection: Connection
    plan: Plan
    handles: tuple[Handle, ...]


def keep(
    folder: Path, executor: str, made_in: str, connection: Connection, plan: Plan, handles: Sequence[Handle]
) -> Path:
    """Write the records of a run into a folder, as a file named after executor and version; return it.

    Args:
        made_in: a folder of this machine that the records mention, and that is nobody's business.
    """
    kept = Kept(connection=connection, plan=plan, handles=tuple(handles))
    text = json.dumps(converter.unstructure(kept), ensure_ascii=False, indent=1, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{executor}-{_version_of(executor)}.json"
    file.write_text(text.replace(made_in, ELSEWHERE) + "\n", encoding="utf-8")
    return file


def read(file: Path) -> Kept:
    """Read what was kept. Raises whatever a record that cannot be read makes of it."""
    raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return converter.structure(raw, Kept)


def _version_of(executor: str) -> str:
    packages = [plugin.package for plugin in installed(EXECUTORS) if plugin.name == executor]
    try:
        return version(packages[0] if packages else "evalyard")
    except PackageNotFoundError:
        return "0"

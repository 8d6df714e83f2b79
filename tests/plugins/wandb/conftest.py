"""The real client, offline, and a reader of the files that it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from wandb.proto.wandb_internal_pb2 import Record

BLOCK_BYTES = 32 * 1024
FILE_HEADER_BYTES = 7
RECORD_HEADER_BYTES = 7


@define
class Logged:
    """What one W&B run was told."""

    run: Any
    config: dict[str, Any] = field(factory=dict)
    history: list[dict[str, Any]] = field(factory=list)
    summary: dict[str, Any] = field(factory=dict)
    artifacts: dict[str, set[str]] = field(factory=dict)
    exit_code: int | None = None


def read_log(path: Path) -> Logged:
    """Return what a transaction log says."""
    logged: Logged | None = None
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            logged = Logged(record.run)
            logged.config = {item.key: json.loads(item.value_json) for item in record.run.config.update}
        assert logged is not None or kind in ("header", None), kind
        if logged is None:
            continue
        if kind == "history":
            logged.history.append(_items(record.history.item))
        elif kind == "summary":
            logged.summary |= _items(record.summary.update)
        elif kind == "artifact":
            logged.artifacts[record.artifact.name] = {entry.path for entry in record.artifact.manifest.contents}
        elif kind == "exit":
            logged.exit_code = record.exit.exit_code
    assert logged is not None, f"{path} holds no run"
    return logged


def _items(items: Any) -> dict[str, Any]:
    found = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a log in LevelDB's format: blocks of pieces, each behind checksum, length and kind."""
    position, pieces = FILE_HEADER_BYTES, b""
    while position + RECORD_HEADER_BYTES <= len(data):
        left = BLOCK_BYTES - position % BLOCK_BYTES
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        if left < RECORD_HEADER_BYTES or kind == 0:
            position += left
            continue
        pieces += data[position + RECORD_HEADER_BYTES : position + RECORD_HEADER_BYTES + length]
        position += RECORD_HEADER_BYTES + length
        if kind in (1, 4):  # whole, or the last piece
            yield pieces
            pieces = b""


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing leaves this machine, nor this test's folder."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))

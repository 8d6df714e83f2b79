"""Core knows no plugin: it is the same, byte for byte, whatever is installed beside it."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from pathlib import Path

from tests.outside.cleanroom import CleanRoom
from tests.outside.strangers import Stranger, executor


def changed_files(room: CleanRoom) -> list[str]:
    """Return the files of core that differ from what its wheel recorded."""
    (record,) = room.site.glob("evalyard-[0-9]*.dist-info/RECORD")
    changed = []
    for name, recorded, _ in csv.reader(record.read_text(encoding="utf-8").splitlines()):
        digest = hashlib.sha256((room.site / name).read_bytes()).digest()
        if recorded and recorded != f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}":
            changed.append(name)
    return changed


def test_an_executor_of_any_name_is_found_and_core_stays_as_it_was(room: CleanRoom, tmp_path: Path) -> None:
    name = "zwischenlager"
    assert not any(name in path.read_text("utf-8") for path in (room.site / "evalyard").rglob("*.py"))
    room.install(Stranger(package="evalyard-of-a-stranger", plugin=name, source=executor(name)).wheel(tmp_path))
    (row,) = json.loads(room.call("ls", "executors", "--json").stdout)
    assert (row["executor"], row["package"]) == (name, "evalyard-of-a-stranger")
    assert changed_files(room) == []


def test_a_change_of_core_would_be_noticed(room: CleanRoom) -> None:
    file = room.site / "evalyard" / "ids.py"
    file.write_text(file.read_text() + "\n")
    assert changed_files(room) == ["evalyard/ids.py"]

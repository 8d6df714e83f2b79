"""Programs that travel with a run: packaged folders of text files, copied into the run directory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from evalyard.records.files import PlannedFile

HARNESS_FOLDER = "harness"
"""Where harnesses that travel with the run lie in the run directory."""

FIND_PYTHON = """\
python=
for candidate in "${EVALYARD_PYTHON:-}" python3 python; do
  if command -v "$candidate" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then echo 'no python3 on PATH' >&2; exit 127; fi"""
"""sh text that sets `$python` to an interpreter for the programs that travel with a run."""


@cache
def package_files(package: str, folder: str, target: str) -> tuple[PlannedFile, ...]:
    """Return the text files of a packaged program as files of the run directory, below `target`."""
    found = _walk(files(package).joinpath(folder), target)
    return tuple(PlannedFile(path=path, text=text) for path, text in sorted(found.items()))


def _walk(folder: Traversable, target: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for item in folder.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            found.update(_walk(item, f"{target}/{item.name}"))
        elif item.is_file() and not item.name.endswith(".pyc"):
            found[f"{target}/{item.name}"] = item.read_text(encoding="utf-8")
    return found

"""Putting a report where it was asked for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from evalyard.errors import UsageError
from evalyard.report.render import GENERATOR

_BEGINNING_BYTES = 1024


def check_target(path: Path, *, force: bool = False) -> None:
    """See whether a report may be written to a file: nothing else is overwritten unasked.

    Raises:
        UsageError: it may not, and why.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"name a file: {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no regular file", hint="-o - writes to stdout")
    if path.is_file() and not force and not _is_report(path):
        raise UsageError(f"{path} is there and is no report of ours; nothing was written", hint="--force overwrites it")


def write_report(path: Path, html: str) -> None:
    """Write a file at once: whatever happens, the old or the new one is there whole.

    Raises:
        UsageError: it cannot be written.
    """
    target = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as stream:
                stream.write(html)
            draft.chmod(_mode_of(target))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return GENERATOR.encode() in stream.read(_BEGINNING_BYTES)
    except OSError:
        return False


def _mode_of(path: Path) -> int:
    """Return the permissions that a file has, or would be created with."""
    if path.exists():
        return path.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

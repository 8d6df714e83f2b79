"""Writing the run directory on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from evalyard.errors import BackendError
from evalyard.records.files import PlannedFile
from evalyard.records.plans import Need


def write_run_dir(need: Need, content: Callable[[PlannedFile], str]) -> None:
    """Write the files of a need below its directory, each whole or not at all; what is there already is replaced.

    Raises:
        BackendError: the folder cannot be written; the message says where and why.
        SecretError: a secret has no value; nothing of that file is left.
    """
    root = Path(need.directory)
    made: set[Path] = set()
    try:
        for file in need.files:
            target = root / file.path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            _replace(target, content(file), file.mode)
        _point_latest_at(root)
    except OSError as error:
        raise BackendError(
            # A rename names two: the draft, and what it cannot replace.
            f"cannot write {error.filename2 or error.filename or root}: {error.strerror}",
            hint="set execution.output_dir to another folder",
        ) from error


def _replace(target: Path, text: str, mode: int) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    # The mode holds from the first byte on: a secrets file is never readable by others, not even for a moment.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        # surrogateescape: a secret may hold bytes that are no UTF-8, which the environment hands out in that form.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            os.fchmod(descriptor, mode)
            stream.write(text)
        draft.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _point_latest_at(root: Path) -> None:
    latest = root.parent / "latest"
    if latest.exists() and not latest.is_symlink():
        return  # somebody's own file of that name
    draft = root.parent / f".latest.{os.getpid()}"
    # A convenience: a file system without symbolic links does without it.
    with contextlib.suppress(OSError):
        draft.symlink_to(root.name)
        draft.replace(latest)

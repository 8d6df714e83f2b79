"""What is settled about an attempt before its script starts, in a file: whoever adopts it later finds it there."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from attrs import frozen

from evalyard import BackendError, InvalidJob
from evalyard_local.plans import HOST
from evalyard_local.ports import free_port
from evalyard_local.processes import Attempt


@frozen(kw_only=True)
class Settled:
    """The choices that an attempt keeps for life."""

    grace_s: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    port: int | None = None
    """Where a model server listens; None for a job."""


def settle(attempt: Attempt, *, grace_s: float, port: int | None = None) -> Settled:
    """Settle an attempt's choices, or return what was settled for it before.

    Args:
        port: for a model server; 0 = any free port.

    Raises:
        BackendError: its folder cannot be written.
        InvalidJob: what was settled before cannot be read.
    """
    file = _file(attempt)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            chosen = free_port(HOST) if port == 0 else port
            draft = file.with_name(f".settled.{os.getpid()}")
            draft.write_text(json.dumps({"grace_s": grace_s, "port": chosen}), encoding="utf-8")
            # A link, not a rename: it never replaces what somebody else settled in the meantime.
            with contextlib.suppress(FileExistsError):
                file.hardlink_to(draft)
            draft.unlink()
    except OSError as error:
        raise BackendError(f"cannot write {error.filename or file}: {error.strerror}") from error
    choices = settled(attempt)
    if choices is None:
        raise InvalidJob(f"{file} is damaged; remove it")
    return choices


def settled(attempt: Attempt) -> Settled | None:
    """Return what was settled for an attempt, or None when nothing is there that can be read."""
    try:
        data = json.loads(_file(attempt).read_text(encoding="utf-8"))
        port = data["port"]
        return Settled(grace_s=float(data["grace_s"]), port=None if port is None else int(port))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file(attempt: Attempt) -> Path:
    return attempt.directory / "attempts" / str(attempt.number) / "settled.json"

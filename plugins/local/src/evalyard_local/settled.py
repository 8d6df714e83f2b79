"""What is settled about an attempt before its script starts, in a file: whoever adopts it later finds it there."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict, evolve, field, frozen

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
    container: str = ""
    """Its name; empty = a process of this machine."""
    keep: str = ""
    """Which ended containers stay."""
    results: str = ""
    """The result file below `artifacts/` without which success is none; empty = none is expected."""
    outputs: Mapping[str, str] = field(factory=dict)
    """What its handle gives to others."""


def settle(attempt: Attempt, wish: Settled) -> Settled:
    """Settle an attempt's choices, or return what was settled for it before.

    Args:
        wish: what it shall be; port 0 = any free one.

    Raises:
        BackendError: its folder cannot be written.
        InvalidJob: what was settled before cannot be read.
    """
    file = _file(attempt)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            chosen = free_port(HOST) if wish.port == 0 else wish.port
            draft = file.with_name(f".settled.{secrets.token_hex(8)}")
            draft.write_text(json.dumps(asdict(evolve(wish, port=chosen))), encoding="utf-8")
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
        return Settled(
            grace_s=float(data["grace_s"]),
            port=None if port is None else int(port),
            **{name: str(data[name]) for name in ("container", "keep", "results") if name in data},
            outputs={str(name): str(value) for name, value in data.get("outputs", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(attempt: Attempt) -> Path:
    return attempt.directory / "attempts" / str(attempt.number) / "settled.json"

"""The commands that we suggest, in one place, so that a test can run every one of them."""

from __future__ import annotations

import shlex
from pathlib import Path


def status(invocation: str) -> str:
    """How to see where a run stands."""
    return f"evalyard status {invocation}"


def watch(invocation: str) -> str:
    """How to watch it."""
    return f"evalyard status --watch {invocation}"


def logs(invocation: str) -> str:
    """How to follow its logs."""
    return f"evalyard logs -f {invocation}"


def results(invocation: str) -> str:
    """How to see its scores."""
    return f"evalyard results {invocation}"


def resume(invocation: str) -> str:
    """How to try again what failed."""
    return f"evalyard resume {invocation}"


def migrate(config: Path) -> str:
    """How to bring a configuration to the current spelling."""
    return f"evalyard migrate {shlex.quote(str(config))}"


def older_spellings(path: Path, count: int) -> str:
    """Say that a configuration holds so many older spellings, and what rewrites them."""
    return f"{count} older spelling{'s' if count > 1 else ''}; {migrate(path)} rewrites them"


def kill(*ids: str) -> str:
    """How to end jobs."""
    return f"evalyard kill {' '.join(ids)}"


def tail(log: Path) -> str:
    """How to follow a log without evalyard."""
    return f"tail -f {shlex.quote(str(log))}"

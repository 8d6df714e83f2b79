"""Where launcher records live: the state home, apart from the run directories."""

from __future__ import annotations

import os
from pathlib import Path


def state_home() -> Path:
    """Return the state home: `EVALYARD_HOME`, else `evalyard` under the XDG state home. It may not exist yet."""
    own = os.environ.get("EVALYARD_HOME")
    if own:
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_STATE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".local" / "state"
    return base / "evalyard"

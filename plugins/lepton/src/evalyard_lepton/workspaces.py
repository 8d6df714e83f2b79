"""Which workspace is meant: from the configuration, the environment, or what `lep login` wrote down.

Without the SDK, which takes seconds to import. Never the token: that is looked up when it is needed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

WORKSPACE_VARIABLE = "LEPTON_WORKSPACE_ID"
URL_VARIABLE = "LEPTON_WORKSPACE_URL"


def current_workspace(given: str = "", url: str = "") -> dict[str, str]:
    """Return the address of a workspace: its id, and the API's URL where one is named; empty = none is known.

    Written into the run's records, so that a later `lep login` elsewhere does not lead its commands astray.
    """
    # The variable may hold a whole credential, `id:token`.
    name = given or os.environ.get(WORKSPACE_VARIABLE, "").partition(":")[0] or _logged_in()
    address = url or os.environ.get(URL_VARIABLE, "")
    return {key: value for key, value in (("workspace", name), ("url", address)) if value}


def _logged_in() -> str:
    """Return the workspace that `lep login` chose last; empty where nobody did."""
    folder = Path(os.environ.get("LEPTON_CACHE_DIR") or Path.home() / ".cache" / "lepton")
    try:
        text = (folder / "workspace_info.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        record: Any = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return ""
    current = record.get("current_workspace") if isinstance(record, dict) else None
    return current if isinstance(current, str) else ""

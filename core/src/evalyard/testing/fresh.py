"""Fresh processes: they know what is on record and what the executor's package says, and nothing of this one."""

from __future__ import annotations

import os
import subprocess
import sys

from evalyard.testing.rig import Rig

LONGEST_S = 120.0
"""How long one may take, though it be watched line by line."""


def in_fresh_process(rig: Rig, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module in another interpreter, which has the variables of a rig, and return what came of it."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        # The paths of this process: an executor of a test module is found there too.
        env={**os.environ, **rig.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )

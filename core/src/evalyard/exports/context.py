"""What an exporter may know of its surroundings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from evalyard.errors import SecretError


@frozen(kw_only=True)
class ExportContext:
    """Handed to `export`."""

    folder: Path
    """A folder of the destination's own that lasts, for whatever it keeps on this machine."""
    deadline: float
    """When the call must have ended, on the clock of `time.monotonic()`; the process is killed then."""
    environ: Mapping[str, str] = field(factory=lambda: os.environ, repr=False)
    """The variables of this process, those of `export.env_vars` among them: what SDKs read by themselves."""

    @property
    def remaining_s(self) -> float:
        """Seconds left for this call, never below zero."""
        return max(0.0, self.deadline - time.monotonic())

    def secret(self, variable: str) -> str:
        """Return the value of a variable.

        Raises:
            SecretError: naming the variable, when it has none.
        """
        if self.environ.get(variable):
            return self.environ[variable]
        raise SecretError(
            f"the environment variable {variable} is not set",
            hint=f"export {variable}=... before the command, or name it in export.env_vars",
        )

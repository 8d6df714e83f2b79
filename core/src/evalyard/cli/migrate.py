"""`evalyard migrate`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from evalyard import config as configuration
from evalyard.cli.render import put, say
from evalyard.errors import UsageError

ToStdout = Annotated[
    bool, Parameter(name="--stdout", negative=(), show_default=False, help="Print the result; leave the file alone.")
]


def migrate(file: Path, /, *, stdout: ToStdout = False) -> None:
    """Rewrite a configuration's older spellings in place; comments, order and quotes stay.

    Args:
        file: The configuration file.
    """
    path = file.resolve()
    if not path.is_file():
        raise UsageError(f"{file}: no such file")
    found = configuration.migrate(configuration.read_text(path), str(file), path.parent)
    for change in found.changes:
        say(f"  {change}")
    if stdout:
        sys.stdout.write(found.text)
        return
    if found.changes:
        _replace(path, found.text)
    count = len(found.changes)
    rewritten = f"{count} older spelling{'s' if count > 1 else ''} rewritten" if count else "nothing to rewrite"
    put(f"{file}: {rewritten}")


def _replace(path: Path, text: str) -> None:
    """Put the new text there at once: whatever happens, one of the two is there whole."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".migrate-")
        new = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        new.chmod(path.stat().st_mode & 0o7777)
        new.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error

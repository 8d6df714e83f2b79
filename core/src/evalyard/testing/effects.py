"""What a piece of code does to the world: which files it writes, which programs and connections it starts."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FORBIDDEN = (
    "os.chmod",
    "os.exec",
    "os.fork",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.symlink",
    "os.system",
    "os.truncate",
    "shutil.",
    "socket.",
    "subprocess.Popen",
    "tempfile.",
    "urllib.Request",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_seen: dict[int, list[str]] = {}
"""Thread -> what it has done since it is watched."""
_installed: list[bool] = []


@contextmanager
def effects() -> Iterator[list[str]]:
    """Collect the side effects of this thread: a line for every file written, program or connection started."""
    if not _installed:
        # An audit hook stays for the life of the process; it costs a look-up while nothing is watched.
        sys.addaudithook(_notice)
        _installed.append(True)
    thread = threading.get_ident()
    found: list[str] = []
    _seen[thread] = found
    try:
        yield found
    finally:
        del _seen[thread]


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if not _seen or (found := _seen.get(threading.get_ident())) is None:
        return
    if event == "open":
        path, _, flags = arguments
        # Python may cache compiled modules at any time; that is no doing of the code that is watched.
        if flags & _WRITING and "__pycache__" not in str(path):
            found.append(f"opens {path} for writing")
    elif event.startswith(_FORBIDDEN) and "__pycache__" not in str(arguments):
        found.append(f"{event} {arguments[:2]}")

"""What a piece of code does to the world: which files it writes, which programs it starts, whom it asks.

Python tells of it (audit events), so neither needs anything of an executor's author. An executor whose backend is in
this process has nothing to tell; it says `sys.audit("evalyard.request", "what for")` where another would ask.
"""

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
_ASKING = frozenset(
    {"evalyard.request", "http.client.send", "os.posix_spawn", "os.system", "socket.connect", "socket.sendto"}
    | {"socket.sendmsg", "subprocess.Popen", "urllib.Request"}
)
_seen: dict[int, list[str]] = {}
"""Thread -> what it has done since it is watched."""
_asked: list[list[str]] = []
"""Who wants to know of requests."""
_installed: list[bool] = []


@contextmanager
def effects() -> Iterator[list[str]]:
    """Collect the side effects of this thread: a line for every file written, program or connection started."""
    _install()
    thread = threading.get_ident()
    found: list[str] = []
    _seen[thread] = found
    try:
        yield found
    finally:
        del _seen[thread]


@contextmanager
def requests() -> Iterator[list[str]]:
    """Collect what this process asks of others, in whatever thread: a line for every program, connection, request.

    A line begins with the name of the event, and goes on with whatever was handed over.
    """
    _install()
    found: list[str] = []
    _asked.append(found)
    try:
        yield found
    finally:
        _asked[:] = [one for one in _asked if one is not found]


def _install() -> None:
    if not _installed:
        # An audit hook stays for the life of the process; it costs a look-up while nothing is watched.
        sys.addaudithook(_notice)
        _installed.append(True)


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if _asked and event in _ASKING:
        for one in _asked:
            one.append(f"{event} {arguments[:2]}")
    if not _seen or (found := _seen.get(threading.get_ident())) is None:
        return
    if event == "open":
        path, _, flags = arguments
        # Python may cache compiled modules at any time; that is no doing of the code that is watched.
        if flags & _WRITING and "__pycache__" not in str(path):
            found.append(f"opens {path} for writing")
    elif event.startswith(_FORBIDDEN) and "__pycache__" not in str(arguments):
        found.append(f"{event} {arguments[:2]}")

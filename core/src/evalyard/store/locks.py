"""Locks in the store: at most one process holds one, and its death frees it.

The kernel's lock where the file system has one. Where it has none (some network and cluster file systems), a lease:
a file made by hard link, which holds while the process that it names lives. Whether a process on another machine lives
cannot be seen from here, so its lease holds until somebody removes the file; the path is in every complaint.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from evalyard.errors import StoreError, Transient

_NO_LOCKS_HERE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

_POLL_S = 0.02

Free = Callable[[], None]


def try_lock(path: Path, *, shared: bool = False) -> Free | None:
    """Take a lock, without waiting.

    Args:
        shared: take it beside others who take it so; only those who want it alone are kept out.

    Returns:
        What frees it, or None when somebody else has it.

    Raises:
        StoreError: the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _NO_LOCKS_HERE:
            return None
        return _look_at_lease(path) if shared else _take_lease(path)
    return lambda: os.close(descriptor)


def lock_before(path: Path, deadline: float, complaint: str) -> Free:
    """Take a lock, and wait for it while somebody else has it.

    Args:
        deadline: until when, on the clock of `time.monotonic()`.
        complaint: what keeps us waiting; the lock's path is added.

    Raises:
        Transient: somebody else still had it.
        StoreError: the file cannot be made.
    """
    if (free := await_lock(path, deadline)) is None:
        raise Transient(f"{complaint}; the lock is {path}")
    return free


def await_lock(path: Path, deadline: float) -> Free | None:
    """Take a lock, and wait for it until a deadline while somebody else has it; otherwise as `try_lock`."""
    while (free := try_lock(path)) is None and time.monotonic() <= deadline:
        time.sleep(_POLL_S)
    return free


def _take_lease(path: Path) -> Free | None:
    import psutil

    lease = path.with_suffix(".lease")
    own = json.dumps({"host": platform.node(), "pid": os.getpid(), "began": psutil.Process().create_time()})
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        draft.write_text(own, encoding="utf-8")
        _break_if_dead(lease)
        os.link(draft, lease)
    except FileExistsError:
        return None
    except OSError as error:
        raise StoreError(f"cannot make {lease}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return lambda: lease.unlink(missing_ok=True)


def _break_if_dead(lease: Path) -> None:
    """Remove a lease whose holder is dead, and only that one: another process may be doing the same."""
    if _holds(lease):
        return
    aside = lease.with_suffix(f".{os.getpid()}.dead")
    with contextlib.suppress(FileNotFoundError):
        lease.rename(aside)
        if _holds(aside):  # somebody else broke the dead one and took it, just before
            with contextlib.suppress(FileExistsError):
                os.link(aside, lease)
        aside.unlink()


def _look_at_lease(path: Path) -> Free | None:
    return None if _holds(path.with_suffix(".lease")) else lambda: None


def _holds(lease: Path) -> bool:
    """Whether a lease is there and its holder may be alive."""
    import psutil

    try:
        holder = json.loads(lease.read_text(encoding="utf-8"))
        if holder["host"] != platform.node():
            return True
        began: float = psutil.Process(holder["pid"]).create_time()
        return began == float(holder["began"])
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False

"""Locks of the store: one holder, freed by its death, also where the file system has no locks."""

from __future__ import annotations

import errno
import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalyard.store.locks import try_lock


@pytest.fixture(params=["kernel's locks", "leases"])
def lock(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock's path, on a file system with locks and on one without."""
    if request.param == "leases":

        def refuse(_descriptor: int, _kind: int) -> None:
            raise OSError(errno.ENOLCK, "no locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    return tmp_path / "act.lock"


def test_a_lock_has_one_holder_and_is_free_again(lock: Path) -> None:
    free = try_lock(lock)
    assert free is not None
    assert try_lock(lock) is None
    free()
    again = try_lock(lock)
    assert again is not None
    again()


def test_those_who_only_look_are_kept_out_by_a_holder_and_not_by_each_other(lock: Path) -> None:
    one, two = try_lock(lock, shared=True), try_lock(lock, shared=True)
    assert one is not None
    assert two is not None
    one()
    two()
    free = try_lock(lock)
    assert free is not None
    assert try_lock(lock, shared=True) is None
    free()


def test_the_lease_of_a_dead_process_is_broken_and_that_of_another_host_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _kind: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock, lease = tmp_path / "act.lock", tmp_path / "act.lease"
    free = try_lock(lock)
    assert free is not None
    own = json.loads(lease.read_text())
    free()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lease.write_text(json.dumps(own | {"pid": ended.pid}))
    broken = try_lock(lock)
    assert broken is not None
    broken()
    lease.write_text(json.dumps(own | {"host": "another"}))
    assert try_lock(lock) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["act.lease", "act.lock"]

"""evalyard.store.runs: whole or not at all, readable after anything, one actor at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from evalyard.errors import StoreError
from evalyard.states import JobState
from evalyard.store import runs
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store

from .records import ID, invocation, plans

PLANNED = Entry(event=Event.PLANNED, at=1.0, job=1, mark="mark1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def create(store: Store, name: str = ID, **fields: Any) -> None:
    header = invocation(name, jobs=2, **fields)
    store.create(header, "resolved: yes\n", plans(header), [PLANNED])


def test_a_store_without_a_folder_is_empty(store: Store) -> None:
    assert store.invocations() == []
    assert store.read_all() == ([], [])
    assert not store.home.exists()


def test_an_invocation_reads_back_as_it_was_created(store: Store) -> None:
    create(store)
    history = store.read(ID)
    assert history.invocation == invocation(jobs=2)
    assert history.job(1).latest.mark == "mark1"
    assert store.config(ID) == "resolved: yes\n"
    assert [store.plan(ID, n, 1) for n in (1, 2)] == plans(invocation(jobs=2))
    assert store.invocations() == [ID]


def test_records_are_the_owners_alone(store: Store) -> None:
    create(store)
    assert store.runs.stat().st_mode & 0o077 == 0
    assert store.folder(ID).stat().st_mode & 0o077 == 0


def test_what_is_recorded_is_read(store: Store) -> None:
    create(store)
    store.record(ID, [Entry(event=Event.STATE, at=2.0, job=1, state=JobState.RUNNING)])
    assert store.read(ID).job(1).latest.state is JobState.RUNNING


def test_a_plan_of_another_attempt_is_kept_beside_the_first(store: Store) -> None:
    create(store)
    again = plans(invocation(jobs=2))[1]
    store.write_plan(ID, again)
    assert store.plan(ID, 2, 1) == again
    with pytest.raises(StoreError, match=r"plans/2\.9\.json"):
        store.plan(ID, 2, 9)


def test_an_id_that_is_taken_is_refused_and_the_first_run_untouched(store: Store) -> None:
    create(store)
    with pytest.raises(StoreError, match="cannot record the run"):
        create(store, created_at="2027")
    assert store.read(ID).invocation == invocation(jobs=2)
    assert [entry.name for entry in store.runs.iterdir()] == [ID]


@pytest.mark.parametrize("step", ["invocation.json", "config.yaml", "1.1"])
def test_creating_is_all_or_nothing_when_a_file_cannot_be_written(
    store: Store, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(path: Path, *arguments: object, **named: object) -> int:
        if path.name.startswith(step):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, *arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StoreError, match="No space left"):
            create(store)
    assert list(store.runs.iterdir()) == []
    create(store)


def test_creating_is_all_or_nothing_when_the_journal_cannot_be_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("evalyard.store.journal.os.write", lambda *_: 3)
        with pytest.raises(StoreError, match="3 of"):
            create(store)
    assert list(store.runs.iterdir()) == []


def test_a_creation_that_was_killed_half_way_is_no_invocation(store: Store) -> None:
    create(store)
    (store.runs / ".new-abc").mkdir()
    (store.runs / "notes.txt").write_text("")
    assert store.invocations() == [ID]


def test_a_home_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="set EVALYARD_HOME") as caught:
        create(Store(tmp_path / "file"))
    assert "cannot record runs in" in caught.value.message


def test_a_run_directory_whose_name_is_not_utf8_is_recorded_all_the_same(store: Store) -> None:
    odd = b"/data/\xff".decode("utf-8", "surrogateescape")
    create(store, run_dir=odd)
    assert store.read(ID).invocation.run_dir == odd
    assert store.plan(ID, 1, 1).directory == f"{odd}/task1"


@pytest.mark.parametrize("text", ["", "{", "null", '{"id": "a1b2c3d4"}', "\udcff"])
def test_a_damaged_header_costs_that_run_only_and_is_named(store: Store, text: str) -> None:
    create(store)
    create(store, "b1b2c3d4")
    header = store.folder(ID) / "invocation.json"
    header.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(StoreError, match=r"a1b2c3d4/invocation\.json is damaged"):
        store.read(ID)
    histories, damage = store.read_all()
    assert [history.invocation.id for history in histories] == ["b1b2c3d4"]
    assert [item.path for item in damage] == [str(store.folder(ID))]


def test_a_folder_without_a_header_costs_that_run_only(store: Store) -> None:
    create(store)
    (store.runs / "deadbeef").mkdir()
    histories, damage = store.read_all()
    assert len(histories) == 1
    assert "deadbeef" in damage[0].path


def test_fields_of_a_newer_version_are_ignored(store: Store) -> None:
    create(store)
    for file in (store.folder(ID) / "invocation.json", store.folder(ID) / "plans" / "1.1.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"novelty": [1, {"a": 2}]}))
    assert store.read(ID).invocation == invocation(jobs=2)
    assert store.plan(ID, 1, 1) == plans(invocation(jobs=2))[0]


def test_runs_are_listed_newest_first(store: Store) -> None:
    for number, moment in enumerate(["2026-01-02", "2026-03-01", "2025-12-31"]):
        create(store, f"{number}0000000", created_at=moment)
    assert [history.invocation.id[0] for history in store.read_all()[0]] == ["1", "0", "2"]


def test_an_unused_id_is_one_that_no_run_has(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    create(store)
    offered = iter([ID, ID, "b0000000"])
    monkeypatch.setattr(runs, "new_invocation", lambda: next(offered))
    assert store.unused_id() == "b0000000"


def test_two_actors_never_act_at_once(store: Store, tmp_path: Path) -> None:
    create(store)
    shared = tmp_path / "shared"
    shared.write_text("0")
    code = f"""
import sys
from pathlib import Path
from typing import Any
from evalyard.store.runs import Store
shared = Path({str(shared)!r})
for _ in range(25):
    with Store(Path({str(store.home)!r})).acting({ID!r}):
        number = int(shared.read_text())
        shared.write_text("")
        shared.write_text(str(number + 1))
"""
    actors = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [actor.wait() for actor in actors] == [0] * 4
    assert shared.read_text() == "100"


def test_an_actor_that_waits_too_long_is_told(store: Store) -> None:
    create(store)
    with (
        store.acting(ID),
        pytest.raises(StoreError, match=f"another evalyard process has been acting on {ID}"),
        store.acting(ID, patience_s=0.05),
    ):
        pytest.fail("two actors at once")


@pytest.mark.parametrize("right", ["acting", "keeping"])
def test_a_right_is_free_again_when_its_holder_is_killed(store: Store, right: str) -> None:
    create(store)
    code = f"""
import time
from pathlib import Path
from typing import Any
from evalyard.store.runs import Store
with Store(Path({str(store.home)!r})).{right}({ID!r}):
    print("held", flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    if right == "keeping":
        assert store.has_keeper(ID)
    else:
        with pytest.raises(StoreError), store.acting(ID, patience_s=0):
            pytest.fail("two actors at once")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert not store.has_keeper(ID)
    with store.acting(ID, patience_s=0):
        pass


def test_one_keeper_at_a_time(store: Store) -> None:
    create(store)
    assert not store.has_keeper(ID)
    with store.keeping(ID) as first, store.keeping(ID) as second:
        assert (first, second) == (True, False)
        assert store.has_keeper(ID)
    assert not store.has_keeper(ID)


def test_who_looks_for_a_keeper_is_taken_for_none_and_keeps_none_from_starting(store: Store) -> None:
    create(store)
    looker = os.open(store.folder(ID) / "keeper.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looker, fcntl.LOCK_SH)
    assert not store.has_keeper(ID)
    leave = threading.Timer(0.05, os.close, [looker])
    leave.start()
    with store.keeping(ID) as ours:
        assert ours
    leave.join()


def test_a_lock_is_not_inherited_by_what_its_holder_starts(store: Store) -> None:
    create(store)
    with store.keeping(ID):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not store.has_keeper(ID)
    child.communicate()


def test_a_file_system_without_locks_is_worked_on_all_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    create(store)

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with store.acting(ID), store.keeping(ID) as ours:
        assert ours


def test_records_that_vanished_are_named(store: Store) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*invocation\.json"):
        store.read(ID)
    with pytest.raises(StoreError, match=f"configuration of {ID} cannot be read"):
        store.config(ID)
    with pytest.raises(StoreError, match="cannot open"), store.acting(ID):
        pytest.fail("acting on nothing")
    with pytest.raises(StoreError, match="cannot record in"):
        store.write_plan(ID, plans(invocation())[0])

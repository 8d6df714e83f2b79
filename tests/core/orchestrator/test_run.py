"""evalyard.orchestrator.run: what has happened until now, by whomever, without reading it twice."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from evalyard.orchestrator.run import OpenRun
from evalyard.plugins.session import Session
from evalyard.states import JobState
from evalyard.store.history import History
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans


@pytest.fixture
def run(tmp_path: Path) -> OpenRun:
    header, store = invocation(), Store(tmp_path)
    store.create(header, "", plans(header), [Entry(event=Event.PLANNED, at=1.0, job=1, mark="mark1")])
    # Nothing here asks a backend.
    return OpenRun(store=store, invocation=header, session=cast("Session", None))


def test_what_anybody_recorded_is_in_the_next_history(run: OpenRun, tmp_path: Path) -> None:
    assert run.history().job(1).latest.state is JobState.PENDING
    run.record([Entry(event=Event.STATE, at=2.0, job=1, state=JobState.RUNNING)])
    assert run.history().job(1).latest.state is JobState.RUNNING
    Store(tmp_path).record(ID, [Entry(event=Event.STATE, at=3.0, job=1, state=JobState.FAILED, reason="why")])
    assert run.history().job(1).latest.reason == "why"


def test_what_did_not_change_is_not_read_again(run: OpenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = Store.read

    def counted(store: Store, name: str) -> History:
        reads.append(name)
        return read(store, name)

    monkeypatch.setattr(Store, "read", counted)
    assert run.history() is run.history()
    assert reads == [ID]


def test_a_journal_that_vanished_is_not_remembered(run: OpenRun) -> None:
    run.record([Entry(event=Event.STATE, at=2.0, job=1, state=JobState.RUNNING)])
    run.history()
    (run.store.folder(ID) / "journal.jsonl").unlink()
    assert run.history().jobs[0].latest.state is JobState.PENDING


def test_what_could_not_be_read_is_read_again(run: OpenRun) -> None:
    journal = run.store.folder(ID) / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(b"#" * len(whole))
    assert run.history().damage
    journal.write_bytes(whole)
    assert run.history().job(1).latest.mark == "mark1"

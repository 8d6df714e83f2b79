"""evalyard.orchestrator.stop: ending a job whose launch never got an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from evalyard.errors import Transient
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.stop import stop, undo
from evalyard.plugins.context import Context
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import Session
from evalyard.records import Connection, ExitRecord, Handle, Job, LogChunk, Observation, Plan
from evalyard.states import JobState
from evalyard.store.history import Attempt
from evalyard.store.journal import Entry, Event
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans

NAME = f"ey-{ID}-1-1"


@define
class Book:
    """What a backend has, and what it was asked."""

    jobs: dict[str, Handle] = field(factory=dict)
    calls: list[str] = field(factory=list)
    lost: bool = False
    """Whether looking up gets no answer."""
    exit: ExitRecord | None = None
    """What the job's script left behind."""
    forgetful: bool = False
    """Whether it mentions no job when it is asked for states."""
    clinging: bool = False
    """Whether it removes nothing."""


class Toy:
    """An executor that ends a job when it is cancelled."""

    book: Book

    @hookimpl
    def plan(self, settings: Any, job: Job) -> Plan | None:
        return None

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle]:
        self.book.calls.append("launch")
        return {}

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        if self.book.lost:
            raise Transient("no route to host")
        return {name: handle for name, handle in self.book.jobs.items() if name in names}

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        if self.book.forgetful:
            return {}
        state = JobState.FAILED if "cancel" in self.book.calls else JobState.RUNNING
        return {handle.name: Observation(state=state, exit=self.book.exit) for handle in handles}

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        return LogChunk(ended=True)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        self.book.calls.append("cancel")
        return ()

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        if self.book.clinging:
            return handles
        for handle in handles:
            self.book.jobs.pop(handle.name, None)
        return ()


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def run(tmp_path: Path, book: Book) -> OpenRun:
    """A run whose only job was handed to the backend by a launcher that died before the answer."""
    store, header = Store(tmp_path), invocation()
    sent = Entry(event=Event.SENDING, at=1.0, job=1, mark="mark1")
    store.create(header, "", plans(header), [sent])
    session = Session(type("Answering", (Toy,), {"book": book}), Connection(executor="toy"))
    return OpenRun(store=store, invocation=header, session=session)


def ended(run: OpenRun) -> Attempt:
    return run.history().job(1).latest


def test_a_job_that_the_backend_never_got_is_cancelled_and_never_launched(run: OpenRun, book: Book) -> None:
    assert stop(run, Selection(invocation=ID)) == {}
    assert (ended(run).state, ended(run).released) == (JobState.CANCELLED, True)
    assert "launch" not in book.calls


def test_a_job_that_the_backend_has_is_adopted_to_be_ended(run: OpenRun, book: Book) -> None:
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    assert stop(run, Selection(invocation=ID)) == {}
    assert (ended(run).state, ended(run).released) == (JobState.CANCELLED, True)
    assert ended(run).handle == Handle(name=NAME, mark="mark1", id="4711")
    assert (book.calls, book.jobs) == (["cancel"], {})


def test_a_backend_that_cannot_be_asked_leaves_the_job_named(run: OpenRun, book: Book) -> None:
    book.lost = True
    assert stop(run, Selection(invocation=ID)) == {NAME: "no route to host"}
    assert not ended(run).released
    assert "launch" not in book.calls


def test_a_script_that_the_interrupt_itself_ended_was_cancelled_and_did_not_fail(run: OpenRun, book: Book) -> None:
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    book.exit = ExitRecord(attempt=1, mark="mark1", exit_code=143, signal="TERM")
    assert undo(run) == {}
    assert (ended(run).state, ended(run).reason) == (JobState.CANCELLED, "cancelled")


def test_a_job_that_the_backend_has_forgotten_is_over_once_it_says_so(run: OpenRun, book: Book) -> None:
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    book.forgetful = True
    assert stop(run, Selection(invocation=ID)) == {}
    assert (ended(run).state, ended(run).released) == (JobState.CANCELLED, True)
    assert ended(run).reason == "cancelled; the backend knew nothing of it any more"


def test_a_job_that_is_not_mentioned_and_not_gone_is_not_over(
    run: OpenRun, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalyard.orchestrator.stop.AFTER_CANCEL_S", 0.0)
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    book.forgetful = book.clinging = True
    assert stop(run, Selection(invocation=ID)) == {f"{ID}.1": "it was asked to end and has not yet"}
    assert ended(run).state is not JobState.CANCELLED

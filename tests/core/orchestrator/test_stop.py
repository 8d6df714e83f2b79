"""evalyard.orchestrator.stop: ending a job whose launch never got an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from evalyard.errors import Transient
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.stop import AFTER_CANCEL_S, stop, undo
from evalyard.plugins.context import Context
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import Session
from evalyard.records.connections import Connection
from evalyard.records.handles import Handle
from evalyard.records.jobs import Job
from evalyard.records.observations import ExitRecord, JobEnd, LogChunk, Observation
from evalyard.records.plans import Plan
from evalyard.states import JobState
from evalyard.store.history import Attempt
from evalyard.store.journal import Entry, Event
from evalyard.store.lookup import Selection
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans

NAME = f"ey-{ID}-1-1"


@define
class Clock:
    """A clock on which two looks fit into one patience."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _pause_s: float) -> None:
        self.now += AFTER_CANCEL_S + 1.0


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
    omissions: int = 0
    """How many looks are without any job before there is one with it."""
    faults: int = 0
    """How often collecting or telling fails before it works."""
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
        if self.book.omissions:
            self.book.omissions -= 1
            return {}
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
    monkeypatch.setattr("evalyard.orchestrator.stop.time", Clock())
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    book.forgetful = book.clinging = True
    assert stop(run, Selection(invocation=ID)) == {f"{ID}.1": "it was asked to end and has not yet"}
    assert ended(run).state is not JobState.CANCELLED


def test_a_job_that_the_backend_forgets_in_the_last_moment_has_ended(
    run: OpenRun, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalyard.orchestrator.stop.time", Clock())
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    book.forgetful = True
    assert stop(run, Selection(invocation=ID)) == {}
    assert (ended(run).state, ended(run).released) == (JobState.CANCELLED, True)


def test_a_job_that_one_answer_leaves_out_keeps_the_result_that_the_next_one_has(run: OpenRun, book: Book) -> None:
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    book.omissions = 3  # two before it is asked to end, one after
    book.exit = ExitRecord(attempt=1, mark="mark1", exit_code=0, results=True)
    assert stop(run, Selection(invocation=ID)) == {}
    assert (book.omissions, ended(run).state) == (0, JobState.SUCCEEDED)


class Far(Toy):
    """Brings artifacts home, sooner or later."""

    @hookimpl
    def fetch(self, ctx: Context, handle: Handle, dest: Path) -> Sequence[str]:
        self.book.faults -= 1
        if self.book.faults >= 0:
            raise Transient("no route to host")
        return ()


@define(eq=False)
class Ear:
    """Takes note of ends, sooner or later."""

    book: Book

    @hookimpl
    def ended(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        self.book.faults -= 1
        if self.book.faults >= 0:
            raise Transient("nobody answers")


@pytest.fixture(params=["collecting", "telling"])
def late(request: pytest.FixtureRequest, run: OpenRun, book: Book, monkeypatch: pytest.MonkeyPatch) -> str:
    """What fails, a few times, once a job has ended; says in which words it is left."""
    monkeypatch.setattr("evalyard.orchestrator.patience.FIRST_PAUSE_S", 0.01)
    book.jobs[NAME] = Handle(name=NAME, mark="mark1", id="4711")
    far = request.param == "collecting"
    toy = type("Answering", (Far if far else Toy,), {"book": book})
    run.session = Session(toy, Connection(executor="toy"), () if far else [Ear(book)])
    return "its results were not brought home yet" if far else "the extensions were not told of its end yet"


@pytest.mark.usefixtures("late")
def test_what_follows_an_end_is_waited_for_as_nobody_else_would_do_it(run: OpenRun, book: Book) -> None:
    book.faults = 3
    assert stop(run, Selection(invocation=ID)) == {}
    assert book.faults == -1


def test_what_follows_an_end_and_does_not_come_is_left_and_done_by_the_next(
    run: OpenRun, book: Book, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.faults = 3
    with monkeypatch.context() as impatient:
        impatient.setattr("evalyard.orchestrator.stop.AFTER_CANCEL_S", -1.0)
        impatient.setattr("evalyard.orchestrator.patience.FIRST_PAUSE_S", 60.0)
        assert stop(run, Selection(invocation=ID)) == {f"{ID}.1": late}
    assert ended(run).state is JobState.CANCELLED
    assert stop(run, Selection(invocation=ID)) == {}
    assert book.faults == -1


@pytest.mark.usefixtures("late")
def test_what_follows_an_end_is_left_to_a_keeper(run: OpenRun, book: Book) -> None:
    book.faults = 1
    with run.store.keeping(ID):
        assert stop(run, Selection(invocation=ID)) == {}
    assert book.faults == 0

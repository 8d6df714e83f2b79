"""evalyard.orchestrator.conduct: how seldom the backend is asked while a run is seen through."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from evalyard.errors import Transient
from evalyard.orchestrator.conduct import Conductor
from evalyard.orchestrator.run import OpenRun
from evalyard.plugins.context import Context
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import Session
from evalyard.records.handles import Handle
from evalyard.records.jobs import Job
from evalyard.records.observations import LogChunk, Observation
from evalyard.records.plans import Plan
from evalyard.states import JobState
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans

INTERVAL_S = 7.0


class Slow:
    """An executor whose job runs for a few looks; None = it does not answer."""

    words: list[JobState | None]

    @hookimpl
    def plan(self, settings: Any, job: Job) -> Plan | None:
        return None

    @hookimpl
    def launch(self, ctx: Context, plans: Sequence[Plan]) -> Mapping[str, Handle]:
        return {}

    @hookimpl
    def find(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, Handle]:
        return {}

    @hookimpl
    def status(self, ctx: Context, handles: Sequence[Handle]) -> Mapping[str, Observation]:
        word = self.words.pop(0)
        if word is None:
            raise Transient("no route to host")
        return {handle.name: Observation(state=word) for handle in handles}

    @hookimpl
    def logs(self, ctx: Context, handle: Handle, role: str, cursor: str, limit: int) -> LogChunk:
        return LogChunk(ended=True)

    @hookimpl
    def cancel(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        return ()

    @hookimpl
    def teardown(self, ctx: Context, handles: Sequence[Handle]) -> Sequence[Handle]:
        return ()


def pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: JobState | None) -> list[float]:
    """See a run of one job through and return how long it waited between looks."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    header = invocation()
    header = evolve(header, connection=evolve(header.connection, poll_interval_s=INTERVAL_S))
    name = f"ey-{ID}-1-1"
    store = Store(tmp_path)
    handle = Handle(name=name, mark="mark1", id="1")
    sent = [
        Entry(event=Event.SENDING, at=1.0, job=1, mark="mark1"),
        Entry(event=Event.HELD, at=1.0, job=1, handle=handle),
    ]
    store.create(header, "", plans(header), sent)
    session = Session(type("Running", (Slow,), {"words": list(words)}), header.connection)
    Conductor(OpenRun(store=store, invocation=header, session=session)).see_through()
    return slept


def test_the_backend_is_asked_no_more_often_than_the_connection_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = JobState.RUNNING
    waited = pauses(tmp_path, monkeypatch, JobState.QUEUED, running, running, running, JobState.SUCCEEDED)
    assert len(waited) == 4
    assert min(waited) >= INTERVAL_S


def test_a_backend_that_does_not_answer_is_asked_ever_less_often_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = pauses(tmp_path, monkeypatch, JobState.RUNNING, None, None, JobState.RUNNING, JobState.SUCCEEDED)
    before, *silent, after = waited
    assert silent == sorted(silent)
    assert silent[-1] > 2 * before
    assert after < silent[-1]

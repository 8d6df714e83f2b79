"""evalyard.orchestrator.act: whom the extensions are told of, how often, and what is noted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from evalyard.errors import PluginError, Transient
from evalyard.orchestrator.act import Actor
from evalyard.orchestrator.patience import MOST_TRIES
from evalyard.orchestrator.run import OpenRun
from evalyard.orchestrator.steps import Step, Tell
from evalyard.plugins.context import Context
from evalyard.plugins.markers import hookimpl
from evalyard.plugins.session import Session
from evalyard.records.connections import Connection
from evalyard.records.observations import JobEnd
from evalyard.states import JobState
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store
from tests.core.store.records import ID, invocation, plans


class Nothing:
    """An executor that nobody asks anything."""


@define(eq=False)
class Ear:
    """Takes note, or does not."""

    fault: Exception | None = None
    heard: list[JobEnd] = field(factory=list)

    @hookimpl
    def ended(self, ctx: Context, ends: Sequence[JobEnd]) -> None:
        if self.fault:
            raise self.fault
        self.heard += ends


@pytest.fixture
def ear() -> Ear:
    return Ear()


def actor(folder: Path, ear: Ear, *entries: Entry, warnings: Sequence[str] = ()) -> Actor:
    """Return an actor for a run of two jobs that have ended."""
    header, store = invocation(jobs=2, run_dir=str(folder / "run")), Store(folder)
    over: list[Any] = [Entry(event=Event.STATE, at=1.0, job=job, state=JobState.FAILED) for job in (1, 2)]
    store.create(header, "", plans(header), [*over, *entries])
    session = Session(Nothing, Connection(executor="toy"), [ear], warnings)
    return Actor(run=OpenRun(store=store, invocation=header, session=session))


def take(actor: Actor, step: Step) -> bool:
    return actor.take(step, actor.situation(actor.run.history()))


def told(actor: Actor) -> list[bool]:
    return [job.latest.told for job in actor.run.history().jobs]


def noted(actor: Actor) -> list[str]:
    """Return the reasons why extensions could not be told, as they are on record."""
    lines = (actor.run.store.folder(ID) / "journal.jsonl").read_text().splitlines()
    return [entry.get("reason", "") for entry in map(json.loads, lines) if entry["event"] == Event.TOLD]


def test_each_end_has_tries_of_its_own_whatever_else_is_told_with_it(tmp_path: Path, ear: Ear) -> None:
    one = actor(tmp_path, ear)
    ear.fault = Transient("nobody answers")
    for _ in range(MOST_TRIES - 1):
        assert not take(one, Tell(ends=((1, 1),)))
    assert told(one) == [False, False]
    assert not take(one, Tell(ends=((1, 1), (2, 1))))
    assert told(one) == [True, False]
    assert noted(one) == ["nobody answers"]
    assert one.patience.resting() == {("tell", 2)}


def test_who_could_be_told_in_the_end_has_all_tries_again(tmp_path: Path, ear: Ear) -> None:
    one = actor(tmp_path, ear)
    ear.fault = Transient("nobody answers")
    take(one, Tell(ends=((1, 1),)))
    ear.fault = None
    assert take(one, Tell(ends=((1, 1),)))
    assert (told(one), noted(one)) == ([True, False], [""])
    assert not one.patience.tries


def test_what_fails_for_good_is_not_tried_again(tmp_path: Path, ear: Ear) -> None:
    one = actor(tmp_path, ear)
    ear.fault = PluginError("no such attribute")
    assert take(one, Tell(ends=((1, 1), (2, 1))))
    assert (told(one), noted(one)) == ([True, True], ["no such attribute"] * 2)


def test_every_attempt_is_told_with_the_folder_of_its_own(tmp_path: Path, ear: Ear) -> None:
    again = Entry(event=Event.STATE, at=2.0, job=1, attempt=2, state=JobState.SUCCEEDED)
    one = actor(tmp_path, ear, again)
    kept = tmp_path / "run" / "task1" / "attempts" / "1"
    (kept / "logs").mkdir(parents=True)
    assert take(one, Tell(ends=((1, 1), (1, 2))))
    assert [(end.attempt, end.state, Path(end.directory)) for end in ear.heard] == [
        (1, JobState.FAILED, kept),
        (2, JobState.SUCCEEDED, tmp_path / "run" / "task1"),
    ]
    assert [attempt.told for attempt in one.run.history().job(1).attempts] == [True, True]


def test_nobody_is_told_while_one_who_may_listen_was_left_out(tmp_path: Path, ear: Ear) -> None:
    one = actor(tmp_path, ear, warnings=["extension 'other' is left out: half an upgrade"])
    assert not one.situation(one.run.history()).listens

"""evalyard.orchestrator.outbox: how often and when exports are tried, and what goes on record."""

from __future__ import annotations

import time

import pytest
from attrs import evolve

from evalyard.errors import BackendError, EvalyardError, Transient
from evalyard.exports.records import Exported
from evalyard.orchestrator.outbox import FIRST_PAUSE_S, MOST_TRIES, Outbox, exported_entries, failed_entries
from evalyard.orchestrator.run import OpenRun
from evalyard.states import JobState
from evalyard.store.history import Attempt, Export, History, JobHistory
from evalyard.store.journal import Event
from tests.core.store.records import ID, invocation


def history(**export: object) -> History:
    made = {"mlflow": Export(**export)} if export else {}  # type: ignore[arg-type]
    attempt = Attempt(number=2, state=JobState.SUCCEEDED, exports=made)
    header = evolve(invocation(), auto_export=("mlflow",))
    return History(invocation=header, jobs=(JobHistory(number=1, attempts=(attempt,)),))


def given_up(error: EvalyardError, before: int) -> bool:
    found = history(failures=before) if before else history()
    (entry,) = failed_entries(found, "mlflow", {1: 2}, error)
    return entry.given_up


def test_what_may_succeed_later_is_tried_a_bounded_number_of_times() -> None:
    late = Transient("no answer")
    assert [given_up(late, before) for before in range(MOST_TRIES)] == [*[False] * (MOST_TRIES - 1), True]


def test_a_refusal_is_not_tried_again() -> None:
    assert given_up(BackendError("no"), 0)


def test_a_failure_is_on_record_on_one_line_with_what_to_do() -> None:
    (entry,) = failed_entries(history(), "mlflow", {1: 2}, Transient("no\nanswer", hint="start it"))
    assert (entry.event, entry.job, entry.attempt, entry.destination) == (Event.NOT_EXPORTED, 1, 2, "mlflow")
    assert entry.reason == "no answer; start it"


def test_a_success_is_on_record_of_the_attempt_that_was_sent() -> None:
    (entry,) = exported_entries("mlflow", {1: 2}, [Exported(job=f"{ID}.1", where="page")])
    assert (entry.event, entry.job, entry.attempt) == (Event.EXPORTED, 1, 2)
    assert (entry.destination, entry.where) == ("mlflow", "page")


@pytest.mark.parametrize(
    ("failures", "seconds_ago", "rests"),
    [
        (0, 0.0, False),
        (1, 0.1 * FIRST_PAUSE_S, True),
        (1, 1.1 * FIRST_PAUSE_S, False),
        (4, 7.0 * FIRST_PAUSE_S, True),
        (4, 8.1 * FIRST_PAUSE_S, False),
        (4, -3600.0, False),
    ],
    ids=[
        "not tried",
        "just tried",
        "tried a while ago",
        "pauses double",
        "until they are over",
        "the clock was set back",
    ],
)
def test_pauses_grow_with_failures_whoever_made_them(
    monkeypatch: pytest.MonkeyPatch, failures: int, seconds_ago: float, *, rests: bool
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    found = history(failures=failures, tried_at=now - seconds_ago) if failures else history()
    box = Outbox(run=OpenRun.__new__(OpenRun))
    assert box.resting(found) == (frozenset({("export mlflow", 1)}) if rests else frozenset())

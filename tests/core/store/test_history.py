"""evalyard.store.history: what a journal adds up to, in whatever order launchers wrote it."""

from __future__ import annotations

from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, strategies as st

from evalyard.records.handles import Handle
from evalyard.records.plans import NeedKind
from evalyard.states import FINAL, JobState, may_follow
from evalyard.store.history import Attempt, Export, History, fold
from evalyard.store.journal import Damage, Entry, Event

from .records import invocation

S = JobState
HANDLE = Handle(name="ey-a1b2c3d4-1-1", mark="m")


def entry(event: Event, at: float = 1.0, **fields: Any) -> Entry:
    return Entry(event=event, at=at, **({"job": 1} | fields))


def state(new: JobState, reason: str = "", **fields: Any) -> Entry:
    return entry(Event.STATE, state=new, reason=reason, **fields)


def folded(*entries: Entry, jobs: int = 1) -> History:
    return fold(invocation(jobs=jobs), entries)


def job(*entries: Entry) -> Attempt:
    return folded(*entries).job(1).latest


def test_a_job_that_the_journal_never_mentions_is_pending_in_its_first_attempt() -> None:
    assert folded(jobs=2).job(2).attempts == (Attempt(number=1),)
    assert not folded().ended


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry(Event.PLANNED, mark="m")], {"state": S.PENDING, "mark": "m", "sent": False}),
        ([entry(Event.SENDING, mark="m")], {"state": S.PENDING, "sent": True, "live": True}),
        ([entry(Event.HELD, handle=HANDLE)], {"state": S.QUEUED, "handle": HANDLE, "live": True}),
        ([state(S.RUNNING), entry(Event.HELD, handle=HANDLE)], {"state": S.RUNNING, "handle": HANDLE}),
        ([state(S.FAILED, "oom"), entry(Event.HELD, handle=HANDLE)], {"state": S.FAILED, "live": False}),
        ([state(S.RUNNING, "a"), state(S.RUNNING, "b")], {"state": S.RUNNING, "reason": "b"}),
        ([state(S.SUCCEEDED), state(S.FAILED, "late")], {"state": S.SUCCEEDED, "reason": ""}),
        ([state(S.FAILED, "first"), state(S.FAILED, "second")], {"state": S.FAILED, "reason": "first"}),
        ([state(S.RUNNING), state(S.QUEUED, "back?")], {"state": S.RUNNING, "reason": ""}),
        ([state(S.RUNNING), state(S.UNKNOWN, "no answer")], {"state": S.RUNNING, "reason": ""}),
        (
            [state(S.RUNNING, started_at="t1"), state(S.SUCCEEDED, exit_code=0, ended_at="t2")],
            {"started_at": "t1", "ended_at": "t2", "exit_code": 0},
        ),
        (
            [entry(Event.SILENT, at=5.0), entry(Event.SILENT, at=9.0)],
            {"silent_since": 5.0, "silent_answers": 2},
        ),
        ([entry(Event.SILENT, at=5.0), entry(Event.SEEN)], {"silent_since": 0.0, "silent_answers": 0}),
        ([entry(Event.CANCEL)], {"cancel_asked": True, "cancel_reason": "", "state": S.PENDING}),
        (
            [entry(Event.CANCEL, reason="server died"), entry(Event.CANCEL)],
            {"cancel_asked": True, "cancel_reason": "server died"},
        ),
        ([entry(Event.COLLECTED), entry(Event.RELEASED)], {"collected": True, "released": True}),
        ([entry(Event.STATE)], {"state": S.PENDING}),
    ],
    ids=lambda value: ",".join(f"{e.event}-{e.state or e.reason}" for e in value) if isinstance(value, list) else "",
)
def test_entries_add_up(entries: list[Entry], expected: dict[str, object]) -> None:
    attempt = job(*entries)
    assert {name: getattr(attempt, name) for name in expected} == expected


ENTRIES = st.builds(
    Entry,
    event=st.sampled_from(Event),
    at=st.floats(1, 1e9),
    job=st.just(1),
    attempt=st.integers(1, 2),
    mark=st.sampled_from(["", "m"]),
    handle=st.just(HANDLE),
    state=st.sampled_from([*JobState, None]),
    reason=st.sampled_from(["", "why"]),
)


@given(st.lists(ENTRIES, max_size=12))
def test_states_never_go_backwards_whatever_the_order_of_entries(entries: list[Entry]) -> None:
    histories = [folded(*entries[:count]) for count in range(len(entries) + 1)]
    for number in (1, 2):
        seen = [
            attempt.state for history in histories for attempt in history.job(1).attempts if attempt.number == number
        ]
        assert all(new is old or may_follow(old, new) for old, new in pairwise(seen))
        assert S.UNKNOWN not in seen


@given(st.lists(ENTRIES, max_size=12), st.sampled_from(sorted(FINAL)), st.lists(ENTRIES, max_size=12))
def test_the_first_end_of_an_attempt_stays_its_end(before: list[Entry], end: JobState, after: list[Entry]) -> None:
    first = job(*(item for item in before if item.attempt == 1), state(end, "the end", exit_code=3))
    last = job(*(item for item in [*before, state(end, "the end", exit_code=3), *after] if item.attempt == 1))
    assert (last.state, last.reason, last.exit_code) == (first.state, first.reason, first.exit_code)
    assert last.state.final


def test_launchers_that_saw_the_same_job_may_write_in_any_order() -> None:
    seen = [
        entry(Event.PLANNED, mark="m"),
        entry(Event.SENDING, mark="m"),
        entry(Event.HELD, handle=HANDLE),
        state(S.RUNNING),
        state(S.SUCCEEDED, exit_code=0),
    ]
    ends = [(a.state, a.handle, a.mark, a.exit_code) for a in (job(*order) for order in permutations(seen))]
    assert ends == [(S.SUCCEEDED, HANDLE, "m", 0)] * len(ends)


def test_a_jobs_state_is_its_latest_attempts_whichever_was_written_last() -> None:
    history = folded(
        entry(Event.PLANNED, attempt=2),
        state(S.RUNNING, attempt=2),
        state(S.FAILED, "late news of the first", attempt=1),
    )
    assert [attempt.number for attempt in history.job(1).attempts] == [1, 2]
    assert history.job(1).latest.state is S.RUNNING
    assert not history.ended


def test_what_a_backend_may_hold_is_the_latest_attempt_that_nobody_made_by_hand() -> None:
    history = folded(state(S.FAILED), entry(Event.PLANNED, attempt=2, by_hand=True), state(S.SUCCEEDED, attempt=2))
    assert history.job(1).latest.number == 2
    assert history.job(1).launched.number == 1
    assert history.ended


def test_jobs_and_needs_are_kept_apart_and_needs_in_the_order_of_first_mention() -> None:
    history = folded(
        Entry(event=Event.SENDING, at=1, need="files", kind=NeedKind.FILES),
        Entry(event=Event.SENDING, at=1, need="server", kind=NeedKind.SERVER),
        Entry(event=Event.STATE, at=1, need="files", state=S.FAILED, reason="disk full"),
    )
    assert [(need.key, need.latest.kind, need.latest.state) for need in history.needs] == [
        ("files", NeedKind.FILES, S.FAILED),
        ("server", NeedKind.SERVER, S.PENDING),
    ]
    assert history.job(1).latest == Attempt(number=1)
    assert history.need("network") is None


def test_an_entry_about_a_job_that_the_header_lacks_changes_nothing() -> None:
    assert folded(entry(Event.SENDING, job=9)) == folded()
    with pytest.raises(KeyError):
        folded().job(9)


def test_exports_add_up_by_destination() -> None:
    failed = entry(Event.NOT_EXPORTED, 2.0, destination="mlflow", reason="no answer")
    there = entry(Event.EXPORTED, 3.0, destination="mlflow", where="page")
    refused = entry(Event.NOT_EXPORTED, 4.0, destination="wandb", reason="no key", given_up=True)
    assert job(failed, failed).exports == {"mlflow": Export(failures=2, reason="no answer", tried_at=2.0)}
    found = job(failed, there, refused).exports
    assert found == {
        "mlflow": Export(where="page", tried_at=3.0),
        "wandb": Export(failures=1, reason="no key", given_up=True, tried_at=4.0),
    }
    assert [export.settled for export in found.values()] == [True, True]
    assert job(there, failed).exports["mlflow"].where == "page", "what is there stays there"


def test_exports_are_an_attempts_own() -> None:
    old = entry(Event.EXPORTED, destination="local", where="f")
    new = entry(Event.PLANNED, attempt=2)
    assert [dict(attempt.exports) for attempt in folded(old, new).job(1).attempts] == [
        {"local": Export(where="f", tried_at=1.0)},
        {},
    ]


def test_damage_is_handed_on() -> None:
    damage = (Damage(path="journal.jsonl", line=3, problem="torn"),)
    assert fold(invocation(), [], damage).damage == damage
    assert [str(item) for item in damage] == ["journal.jsonl:3: torn"]

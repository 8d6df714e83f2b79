"""What a journal adds up to: the attempts of each job and need, and where each stands.

A pure fold. Order among concurrent writers does not matter where it must not: the first terminal state of an attempt
wins, states only go forward, and a request to cancel stays a request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve, field, frozen

from evalyard.records import Handle, Invocation, NeedKind
from evalyard.states import JobState, may_follow
from evalyard.store.journal import Damage, Entry, Event


@frozen(kw_only=True)
class Attempt:
    """One try of a job, or one life of a need."""

    number: int
    mark: str = ""
    state: JobState = JobState.PENDING
    reason: str = ""
    kind: NeedKind = NeedKind.RESOURCE
    """What a need is; means nothing for a job."""
    sent: bool = False
    """Whether the backend may hold it."""
    handle: Handle | None = None
    cancel_asked: bool = False
    cancel_reason: str = ""
    """Why core itself asked for its end; empty when a person did."""
    collected: bool = False
    released: bool = False
    """Whether the backend confirmed that nothing is left of it."""
    silent_since: float = 0.0
    """When the backend first answered without it; 0 = it was last mentioned."""
    silent_answers: int = 0
    exit_code: int | None = None
    by_hand: bool = False
    started_at: str = ""
    ended_at: str = ""
    changed_at: float = 0.0
    """Seconds since the epoch of the last change of state."""

    @property
    def live(self) -> bool:
        """Whether the backend may hold it and it has not ended as far as we know."""
        return self.sent and not self.state.final


@frozen(kw_only=True)
class Thing:
    """A job or a need with its attempts, oldest first; there is always at least one."""

    attempts: tuple[Attempt, ...]

    @property
    def latest(self) -> Attempt:
        """The attempt that counts."""
        return self.attempts[-1]

    @property
    def launched(self) -> Attempt:
        """The latest attempt that evalyard itself made: the one a backend may hold."""
        return next((attempt for attempt in reversed(self.attempts) if not attempt.by_hand), self.attempts[0])


@frozen(kw_only=True)
class JobHistory(Thing):
    """A job."""

    number: int


@frozen(kw_only=True)
class NeedHistory(Thing):
    """A need."""

    key: str


@frozen(kw_only=True)
class History:
    """One invocation: its header and what became of it."""

    invocation: Invocation
    jobs: tuple[JobHistory, ...]
    needs: tuple[NeedHistory, ...] = ()
    damage: tuple[Damage, ...] = ()

    def job(self, number: int) -> JobHistory:
        """Return one job. Raises KeyError when there is none of that number."""
        for job in self.jobs:
            if job.number == number:
                return job
        raise KeyError(number)

    def need(self, key: str) -> NeedHistory | None:
        """Return one need, or None when nothing was ever said of it."""
        return next((need for need in self.needs if need.key == key), None)

    @property
    def ended(self) -> bool:
        """Whether every job has ended."""
        return all(job.latest.state.final for job in self.jobs)


@frozen(kw_only=True)
class _Fold:
    """Attempts by subject and number while a journal is added up."""

    attempts: dict[tuple[int, str], dict[int, Attempt]] = field(factory=dict)

    def add(self, entry: Entry) -> None:
        subject = self.attempts.setdefault((entry.job, entry.need), {})
        attempt = subject.get(entry.attempt) or Attempt(number=entry.attempt)
        subject[entry.attempt] = apply(attempt, entry)

    def of(self, job: int = 0, need: str = "") -> tuple[Attempt, ...]:
        found = self.attempts.get((job, need)) or {1: Attempt(number=1)}
        return tuple(found[number] for number in sorted(found))


def apply(attempt: Attempt, entry: Entry) -> Attempt:
    """Return the attempt after one journal entry."""
    changes: dict[str, Any] = {}
    match entry.event:
        case Event.PLANNED:
            changes = {"mark": entry.mark or attempt.mark, "by_hand": entry.by_hand}
        case Event.SENDING:
            changes = {"sent": True, "mark": entry.mark or attempt.mark, "kind": entry.kind or attempt.kind}
        case Event.HELD:
            changes = {"handle": entry.handle, "sent": True}
            if may_follow(attempt.state, JobState.QUEUED):
                changes |= {"state": JobState.QUEUED, "changed_at": entry.at}
        case Event.STATE if entry.state is not None:
            changes = _new_state(attempt, entry, entry.state)
        case Event.SILENT:
            changes = {"silent_since": attempt.silent_since or entry.at, "silent_answers": attempt.silent_answers + 1}
        case Event.SEEN:
            changes = {"silent_since": 0.0, "silent_answers": 0}
        case Event.CANCEL:
            changes = {"cancel_asked": True, "cancel_reason": attempt.cancel_reason or entry.reason}
        case Event.COLLECTED:
            changes = {"collected": True}
        case Event.RELEASED:
            changes = {"released": True}
        case _:
            pass
    return evolve(attempt, **changes)


def _new_state(attempt: Attempt, entry: Entry, state: JobState) -> dict[str, Any]:
    if state is attempt.state and not state.final:
        return {"reason": entry.reason}
    if not may_follow(attempt.state, state):
        return {}
    return {
        "state": state,
        "reason": entry.reason,
        "exit_code": entry.exit_code,
        "started_at": entry.started_at or attempt.started_at,
        "ended_at": entry.ended_at,
        "changed_at": entry.at,
    }


def fold(invocation: Invocation, entries: Iterable[Entry], damage: tuple[Damage, ...] = ()) -> History:
    """Add a journal up. A job that the journal never mentions is PENDING in its first attempt."""
    folded = _Fold()
    for entry in entries:
        folded.add(entry)
    needs = dict.fromkeys(need for _, need in folded.attempts if need)  # in the order in which they were first wanted
    return History(
        invocation=invocation,
        jobs=tuple(JobHistory(number=job.number, attempts=folded.of(job=job.number)) for job in invocation.jobs),
        needs=tuple(NeedHistory(key=need, attempts=folded.of(need=need)) for need in needs),
        damage=damage,
    )

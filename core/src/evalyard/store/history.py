"""What a journal adds up to: the attempts of each job and need, and where each stands.

A pure fold. Order among concurrent writers does not matter where it must not: the first terminal state of an attempt
wins, states only go forward, and a request to cancel stays a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation
from evalyard.records.plans import NeedKind
from evalyard.states import JobState, may_follow
from evalyard.store.journal import Damage, Entry, Event


@frozen(kw_only=True)
class Export:
    """What became of sending an attempt's results to one destination."""

    where: str = ""
    """The page or file that they are in; empty = they are not there."""
    failures: int = 0
    """How often in a row it failed."""
    reason: str = ""
    """Why it failed, the last time."""
    given_up: bool = False
    tried_at: float = 0.0
    """Seconds since the epoch."""

    @property
    def settled(self) -> bool:
        """Whether nothing more will be done unless somebody asks."""
        return bool(self.where) or self.given_up


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
    told: bool = False
    """Whether the extensions that want to know of its end do."""
    released: bool = False
    """Whether the backend confirmed that nothing is left of it."""
    silent_since: float = 0.0
    """When the backend first answered without it; 0 = it was last mentioned."""
    silent_answers: int = 0
    exit_code: int | None = None
    by_hand: bool = False
    exports: Mapping[str, Export] = field(factory=dict)
    """By destination."""
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

    def attempt(self, number: int) -> Attempt:
        """Return one attempt. Raises KeyError when there is none of that number."""
        for attempt in self.attempts:
            if attempt.number == number:
                return attempt
        raise KeyError(number)


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


_Fields = dict[str, Any]
"""The fields of an Attempt while a journal is added up: thousands of journals are read at once, so each attempt is
built only when all of its entries are known."""


def _add(fields: _Fields, entry: Entry) -> None:
    """Change the fields of an attempt by one journal entry."""
    state: JobState = fields.get("state", JobState.PENDING)
    match entry.event:
        case Event.PLANNED:
            fields["mark"] = entry.mark or fields.get("mark", "")
            fields["by_hand"] = entry.by_hand
        case Event.SENDING:
            fields["sent"] = True
            fields["mark"] = entry.mark or fields.get("mark", "")
            fields["kind"] = entry.kind or fields.get("kind", NeedKind.RESOURCE)
        case Event.HELD:
            fields["handle"] = entry.handle
            fields["sent"] = True
            if may_follow(state, JobState.QUEUED):
                fields["state"], fields["changed_at"] = JobState.QUEUED, entry.at
        case Event.STATE if entry.state is not None:
            _change_state(fields, entry, state, entry.state)
        case Event.SILENT:
            fields["silent_since"] = fields.get("silent_since") or entry.at
            fields["silent_answers"] = fields.get("silent_answers", 0) + 1
        case Event.SEEN:
            fields["silent_since"], fields["silent_answers"] = 0.0, 0
        case Event.CANCEL:
            fields["cancel_asked"] = True
            fields["cancel_reason"] = fields.get("cancel_reason") or entry.reason
        case Event.COLLECTED:
            fields["collected"] = True
        case Event.RELEASED:
            fields["released"] = True
        case Event.TOLD:
            fields["told"] = True
        case Event.EXPORTED:
            exports = fields.setdefault("exports", {})
            exports[entry.destination] = Export(where=entry.where, tried_at=entry.at)
        case Event.NOT_EXPORTED:
            exports = fields.setdefault("exports", {})
            before: Export = exports.get(entry.destination, Export())
            exports[entry.destination] = Export(
                where=before.where,
                failures=before.failures + 1,
                reason=entry.reason,
                given_up=entry.given_up,
                tried_at=entry.at,
            )
        case _:
            pass


def _change_state(fields: _Fields, entry: Entry, old: JobState, new: JobState) -> None:
    if new is old and not new.final:
        fields["reason"] = entry.reason
    elif may_follow(old, new):
        fields["state"], fields["reason"], fields["changed_at"] = new, entry.reason, entry.at
        fields["exit_code"], fields["ended_at"] = entry.exit_code, entry.ended_at
        fields["started_at"] = entry.started_at or fields.get("started_at", "")


def fold(invocation: Invocation, entries: Iterable[Entry], damage: tuple[Damage, ...] = ()) -> History:
    """Add a journal up. A job that the journal never mentions is PENDING in its first attempt."""
    subjects: dict[tuple[int, str], dict[int, _Fields]] = {}
    for entry in entries:
        attempts = subjects.setdefault((entry.job, entry.need), {})
        _add(attempts.setdefault(entry.attempt, {"number": entry.attempt}), entry)

    def attempts_of(job: int = 0, need: str = "") -> tuple[Attempt, ...]:
        found = subjects.get((job, need)) or {1: {"number": 1}}
        return tuple(Attempt(**found[number]) for number in sorted(found))

    needs = dict.fromkeys(need for _, need in subjects if need)  # in the order in which they were first wanted
    return History(
        invocation=invocation,
        jobs=tuple(JobHistory(number=job.number, attempts=attempts_of(job=job.number)) for job in invocation.jobs),
        needs=tuple(NeedHistory(key=need, attempts=attempts_of(need=need)) for need in needs),
        damage=damage,
    )

"""What to do next about an invocation: a pure function from what is known to a list of steps.

The foreground of `run`, the keeper and `resume` all do what this says and nothing else, so that whoever dies can be
followed by anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from evalyard.ids import server_of, server_title
from evalyard.orchestrator.steps import Abort, Collect, Export, Launch, Matter, Provision, Release, Settle, Step, Tell
from evalyard.records.plans import NeedKind, Plan
from evalyard.states import JobState
from evalyard.store.history import Attempt, History, JobHistory, NeedHistory


@frozen(kw_only=True)
class Situation:
    """All that a decision rests on."""

    history: History
    plans: Mapping[int, Plan]
    """Of each job's latest launched attempt; one whose plan is damaged is absent, and cannot be launched."""
    fetches: bool = False
    """Whether the executor brings artifacts home."""
    listens: bool = False
    """Whether an extension wants to be told of ends."""
    resting: frozenset[Matter] = frozenset()
    """What failed and waits before it is tried again."""


def next_steps(situation: Situation) -> list[Step]:
    """Return the steps that can be taken now, in an order in which they can be taken; empty = wait, or all is done."""
    return [
        *_settle(situation),
        *_abort(situation),
        *_provision(situation),
        *_launch(situation),
        *_collect(situation),
        *_release(situation),
        *_tell(situation),
        *_export(situation),
    ]


def unfinished(situation: Situation) -> bool:
    """Whether something remains that only we will do, now or later: launching, collecting, releasing, telling,
    exporting.
    """
    history = situation.history
    if exporting(situation) or telling(situation):
        return True
    if any(not job.latest.state.final and not job.launched.sent for job in history.jobs):
        return True
    if any(_unanswered(job.launched) for job in history.jobs):
        return True
    if situation.fetches and not all(_collected(job.launched) for job in history.jobs):
        return True
    return any(_held(need.latest) and not need.latest.kind.lasting for need in history.needs)


def exporting(situation: Situation) -> bool:
    """Whether results are to be exported, now or once there are any."""
    return any(
        _due(situation, job, name) or not job.latest.state.final
        for job in situation.history.jobs
        for name in situation.history.invocation.auto_export
    )


def telling(situation: Situation) -> bool:
    """Whether an extension is to be told of ends, now or once there are any."""
    return situation.listens and any(
        not attempt.told and (attempt is job.launched or attempt.state.final)
        for job in situation.history.jobs
        for attempt in _made(job)
    )


def ends_to_collect(situation: Situation) -> list[int]:
    """Return the jobs, by number, that have ended and left something at the backend to be brought home."""
    jobs = situation.history.jobs if situation.fetches else ()
    return [job.number for job in jobs if job.launched.state.final and not _collected(job.launched)]


def ends_to_tell(situation: Situation) -> list[tuple[int, int]]:
    """Return the ends, by job and attempt, that extensions are to be told of now."""
    return [
        (job.number, attempt.number)
        for job in situation.history.jobs
        for attempt in _made(job)
        # What an earlier attempt left and nobody brought home does not come any more.
        if attempt.state.final
        and not attempt.told
        and (_here(situation, attempt) or attempt is not job.launched)
        and situation.listens
    ]


def export_matter(destination: str, job: int) -> Matter:
    """Return what an export of one job is called among the matters that rest."""
    return f"export {destination}", job


def waiting(situation: Situation) -> list[JobHistory]:
    """Return the jobs that are to be launched and were not yet."""
    return [job for job in situation.history.jobs if not job.launched.sent and not job.launched.state.final]


def ended_reason(need: NeedHistory) -> str:
    """Return why a job that depends on a need cannot go on, in the words that the user sees."""
    match need.latest.kind:
        case NeedKind.SERVER:
            return f"{server_title(server_of(need.key))} ended: {need.latest.reason}"
        case NeedKind.RESOURCE:
            return f"'{need.key}', which it needs, ended: {need.latest.reason}"
        case _:
            return need.latest.reason  # it never was, and the reason says so


def _settle(situation: Situation) -> Iterable[Step]:
    for job in situation.history.jobs:
        # Whatever the backend may have of it after all is found by its name and removed by the release that follows.
        if _unanswered(job.launched) and job.launched.cancel_asked:
            yield _cancelled(job)
    for job in waiting(situation):
        if job.launched.cancel_asked:
            yield _cancelled(job)
            continue
        if job.number not in situation.plans:
            yield Settle(job=job.number, state=JobState.FAILED, reason="the record of what to send is damaged")
            continue
        for key in _needs_of(situation, job):
            need = situation.history.need(key)
            if need and need.latest.state.final and not need.latest.released:
                yield Settle(job=job.number, state=JobState.FAILED, reason=ended_reason(need))
                break


def _cancelled(job: JobHistory) -> Settle:
    before = "the backend confirmed it" if job.launched.sent else "it was launched"
    reason = job.launched.cancel_reason or f"cancelled before {before}"
    state = JobState.FAILED if job.launched.cancel_reason else JobState.CANCELLED
    return Settle(job=job.number, state=state, reason=reason)


def _abort(situation: Situation) -> Iterable[Step]:
    for job in situation.history.jobs:
        by_a_person = job.launched.cancel_asked and not job.launched.cancel_reason
        if not job.launched.live or by_a_person or ("abort", job.number) in situation.resting:
            continue
        for key in _needs_of(situation, job):
            need = situation.history.need(key)
            if need and need.latest.state.final:
                yield Abort(job=job.number, reason=ended_reason(need))
                break


def _provision(situation: Situation) -> Iterable[Step]:
    wanted: dict[str, None] = {}
    for job in waiting(situation):
        if not job.launched.cancel_asked:
            wanted.update(dict.fromkeys(_needs_of(situation, job)))
    for key in wanted:
        need = situation.history.need(key)
        if need is None or (need.latest.handle is None and not need.latest.state.final):
            if ("provision", key) in situation.resting:
                return  # later needs may build on this one
            yield Provision(need=key)


def _launch(situation: Situation) -> Iterable[Step]:
    running = sum(1 for job in situation.history.jobs if job.launched.live)
    batch: list[int] = []
    for job in (job for job in waiting(situation) if job.number in situation.plans):
        limit = situation.plans[job.number].concurrency
        if limit is not None and running + len(batch) >= limit:
            break
        ready = all(_there(situation, key) for key in _needs_of(situation, job))
        if ready and not job.launched.cancel_asked:
            batch.append(job.number)
    # A lost reply: it may or may not be there, so it is looked up and sent again if it is not.
    batch += [
        job.number
        for job in situation.history.jobs
        if _unanswered(job.launched) and not job.launched.cancel_asked and job.number in situation.plans
    ]
    due = tuple(sorted(number for number in batch if ("launch", number) not in situation.resting))
    if due:
        yield Launch(jobs=due)


def _collect(situation: Situation) -> Iterable[Step]:
    for number in ends_to_collect(situation):
        if ("collect", number) not in situation.resting:
            yield Collect(job=number)


def _release(situation: Situation) -> Iterable[Step]:
    jobs = tuple(
        job.number
        for job in situation.history.jobs
        if job.launched.state.final
        and _held(job.launched)
        and _here(situation, job.launched)
        and ("release", job.number) not in situation.resting
    )
    needs = tuple(
        need.key
        for need in reversed(situation.history.needs)
        if _held(need.latest)
        and not need.latest.kind.lasting
        and ("release", need.key) not in situation.resting
        and all(job.launched.state.final or not _may_need(situation, job, need.key) for job in situation.history.jobs)
    )
    if jobs or needs:
        yield Release(jobs=jobs, needs=needs)


def _tell(situation: Situation) -> Iterable[Step]:
    due = tuple(end for end in ends_to_tell(situation) if ("tell", end[0]) not in situation.resting)
    if due:
        yield Tell(ends=due)


def _export(situation: Situation) -> Iterable[Step]:
    for name in situation.history.invocation.auto_export:
        due = tuple(
            job.number
            for job in situation.history.jobs
            if _due(situation, job, name) and export_matter(name, job.number) not in situation.resting
        )
        if due:
            yield Export(destination=name, jobs=due)


def _due(situation: Situation, job: JobHistory, destination: str) -> bool:
    """Whether there are results of a job that are not at a destination, and may yet get there."""
    export = job.latest.exports.get(destination)
    here = _here(situation, job.launched)
    return job.latest.state is JobState.SUCCEEDED and here and not (export and export.settled)


def _needs_of(situation: Situation, job: JobHistory) -> list[str]:
    plan = situation.plans.get(job.number)
    return [need.key for need in plan.needs] if plan else []


def _may_need(situation: Situation, job: JobHistory, key: str) -> bool:
    """Whether a job depends on a need, or may, because its plan cannot be read."""
    return job.number not in situation.plans or key in _needs_of(situation, job)


def _there(situation: Situation, key: str) -> bool:
    need = situation.history.need(key)
    return need is not None and need.latest.handle is not None and not need.latest.state.final


def _made(job: JobHistory) -> list[Attempt]:
    """Return the attempts that evalyard itself made."""
    return [attempt for attempt in job.attempts if not attempt.by_hand]


def _unanswered(attempt: Attempt) -> bool:
    """Whether it was sent and no answer is on record: the backend may or may not have it."""
    return attempt.live and attempt.handle is None


def _held(attempt: Attempt) -> bool:
    return attempt.sent and not attempt.released


def _here(situation: Situation, attempt: Attempt) -> bool:
    """Whether what an ended attempt left is on this machine, or on a disk that it shares."""
    return not situation.fetches or _collected(attempt)


def _collected(attempt: Attempt) -> bool:
    return attempt.collected or attempt.handle is None

"""From all evidence of a job to one observation: the files that it left, then the scheduler. Pure."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from evalyard.batch.answers import BatchAnswer
from evalyard.batch.system import BatchSystem, JobRow
from evalyard.records import ExitRecord, Handle, Observation
from evalyard.secrets import redact
from evalyard.states import JobState

LATE_FILES_S = 60.0
"""How long after a job's end its files may still be unseen: disks of a network show them late."""

_LONGEST_WORDS = 300
_LONGEST_PROGRESS = 40
_SIGNALLED = 128
"""Exit codes above this are signals."""
_STOPPED = (JobState.CANCELLED, JobState.TIMED_OUT)


def observe(system: BatchSystem, handle: Handle, answer: BatchAnswer) -> Observation | None:
    """Return what is known of a job, best evidence first; None = the cluster answered and knows nothing of it."""
    row = answer.jobs.get(handle.id)
    said = _by_scheduler(system, row) if row is not None and row.belongs_to(handle.name) else None
    why = noted(handle, answer)
    ended = answer.exits.get(handle.name)
    if ended is not None and ended.mark == handle.mark:
        return _ended(handle, ended, said, why, answer)
    if said is not None and not said.state.final:
        return begun(handle, said, answer)
    if why is not None:
        return why
    if said is not None:
        if row is not None and ended_just_now(row, answer.now):
            return Observation(state=JobState.RUNNING, reason="it has ended; its files are not here yet")
        return said
    if answer.unaccounted:
        return Observation(state=JobState.UNKNOWN, reason=f"accounting does not answer: {answer.unaccounted}")
    return None


def noted(handle: Handle, answer: BatchAnswer) -> Observation | None:
    """Return what the batch script noted of its end before it ended."""
    word, reason = answer.whys.get(handle.name, ("", ""))
    return Observation(state=JobState(word), reason=reason) if word in JobState.__members__ else None


def begun(handle: Handle, said: Observation, answer: BatchAnswer) -> Observation:
    """Return an observation with what a job's own files add while it has not ended."""
    start = answer.starts.get(handle.name)
    if start is None or start.mark != handle.mark:
        return said
    progress = answer.progress.get(handle.name, "")
    return evolve(said, progress=progress if len(progress) < _LONGEST_PROGRESS else "", started_at=start.started_at)


def server_reason(handle: Handle, record: ExitRecord, answer: BatchAnswer) -> str:
    """Return why a job failed by its own record, with what its model server said last."""
    words = redact(answer.servers.get(handle.name, ""))[:_LONGEST_WORDS]
    return f"{record.reason}: {words}" if words else record.reason


def ended_just_now(row: JobRow, now: str) -> bool:
    """Whether the scheduler says of a job that it ended so short ago that its files may still come."""
    try:
        age_s = (datetime.fromisoformat(now) - datetime.fromisoformat(row.ended_at)).total_seconds()
    except ValueError:
        return False
    return age_s < LATE_FILES_S


def _ended(
    handle: Handle, record: ExitRecord, said: Observation | None, why: Observation | None, answer: BatchAnswer
) -> Observation:
    if record.exit_code == 0 and record.results:
        return Observation(state=JobState.SUCCEEDED, exit=record)
    if why is None and said is not None and (record.signal or record.exit_code > _SIGNALLED):
        if not said.state.final:
            # Whoever stopped it may say why as soon as the job has left its node.
            return Observation(state=JobState.RUNNING, reason="it was stopped, and is ending")
        why = said if said.state in _STOPPED else None
    if why is not None:
        return evolve(why, exit=record)
    return Observation(state=JobState.FAILED, reason=server_reason(handle, record, answer), exit=record)


def _by_scheduler(system: BatchSystem, row: JobRow) -> Observation:
    state = system.state_of(row.word)
    match state:
        case JobState.UNKNOWN:
            return Observation(state=state, reason=f"{system.title} calls its state '{row.word}'")
        case JobState.QUEUED:
            return Observation(state=state, reason=f"waits: {row.reason}" if row.reason else "")
        case JobState.SUCCEEDED:
            # Only a job's own record says that it has succeeded.
            reason = f"{system.title} says {row.word}, and it left no exit file"
            return Observation(state=JobState.FAILED, reason=reason)
        case JobState.TIMED_OUT:
            return Observation(state=state, reason=row.reason or "it met the walltime")
        case JobState.CANCELLED:
            return Observation(state=state, reason=row.reason or "cancelled")
        case JobState.FAILED:
            details = row.reason or (f"exit code {row.exit_code}" if row.exit_code else "")
            more = f" ({details})" if details else ""
            return Observation(state=state, reason=f"{system.title} says {row.word}{more}")
    return Observation(state=state, reason=row.reason)

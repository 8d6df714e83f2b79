"""From all evidence of a job to one observation: the files that it left, then the scheduler. Pure."""

from __future__ import annotations

from attrs import evolve

from evalyard.batch.answers import BatchAnswer
from evalyard.batch.system import BatchSystem, JobRow
from evalyard.records.handles import Handle
from evalyard.records.observations import ExitRecord, Observation
from evalyard.states import JobState

_SIGNALLED = 128
"""Exit codes above this are signals."""
_STOPPED = (JobState.CANCELLED, JobState.TIMED_OUT)


def observe(system: BatchSystem, handle: Handle, answer: BatchAnswer) -> Observation | None:
    """Return what is known of a job, best evidence first; None = the cluster has answered, and it is not known."""
    row = answer.row_of(handle)
    said = _by_scheduler(system, row) if row is not None else None
    why = answer.noted(handle)
    ended = answer.exit_of(handle)
    if ended is not None:
        return _ended(handle, ended, said, why, answer)
    if said is not None and not said.state.final:
        return answer.begun(handle, said)
    if why is not None:
        return why
    if row is not None and said is not None and said.state is JobState.FAILED:
        # Its files, which may come late, may say otherwise.
        late = answer.may_lack_files(row)
        if late is None:
            return None
        return Observation(state=JobState.RUNNING, reason="it has ended; its files are not here yet") if late else said
    return said if said is not None else answer.unmentioned(handle)


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
    return Observation(state=JobState.FAILED, reason=answer.failure(handle, record), exit=record)


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

"""The states of a job's attempt, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where one attempt of a job stands.

    An attempt only moves forward; a terminal state never changes. `UNKNOWN` says that we could not find out: it is
    shown, never stored as progress, and never taken for an end.
    """

    PENDING = "PENDING"
    """Known to us, not yet handed to a backend."""
    PROVISIONING = "PROVISIONING"
    """Something that it needs (a model server, an upload) is being made ready."""
    QUEUED = "QUEUED"
    """The backend has it and has not started it."""
    RUNNING = "RUNNING"
    """The harness, or the wait for its endpoint, is under way."""
    COLLECTING = "COLLECTING"
    """It ended; its results are being brought home."""
    SUCCEEDED = "SUCCEEDED"
    """The job script recorded exit code 0 and a result."""
    FAILED = "FAILED"
    """It ended otherwise; the reason says how."""
    CANCELLED = "CANCELLED"
    """Somebody asked for its end before it had one of its own."""
    TIMED_OUT = "TIMED_OUT"
    """It met a time limit of the backend or of its own."""
    LOST = "LOST"
    """The backend has forgotten it and it left no exit file."""
    UNKNOWN = "UNKNOWN"
    """Could not be found out; the reason says why."""

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return self in FINAL


FINAL = frozenset(
    {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT, JobState.LOST},
)

_ORDER = {
    JobState.PENDING: 0,
    JobState.PROVISIONING: 1,
    JobState.QUEUED: 2,
    JobState.RUNNING: 3,
    JobState.COLLECTING: 4,
}


def may_follow(old: JobState, new: JobState) -> bool:
    """Whether an attempt in state `old` may be recorded as `new`.

    Forward only, gaps allowed (a fast job is never seen QUEUED), terminal states for ever, and UNKNOWN never recorded.
    """
    if old.final or new is JobState.UNKNOWN or old is new:
        return False
    return new.final or _ORDER[new] > _ORDER[old]

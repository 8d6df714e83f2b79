"""What is known of something that was sent: its state, its exit file, its log and, when all is over, its end."""

from __future__ import annotations

from attrs import frozen

from evalyard.records.handles import Handle
from evalyard.states import JobState


@frozen(kw_only=True)
class ExitRecord:
    """What a job script left in `exit.json`: the best evidence there is."""

    attempt: int
    exit_code: int
    mark: str = ""
    """The launch token; empty when run by hand."""
    by_hand: bool = False
    signal: str = ""
    """The signal that ended it (`TERM`), when one did."""
    reason: str = ""
    results: bool = True
    """Whether the expected result file was there."""
    started_at: str = ""
    """UTC, ISO 8601."""
    ended_at: str = ""


@frozen(kw_only=True)
class Observation:
    """What the backend says of one handle now."""

    state: JobState
    reason: str = ""
    exit: ExitRecord | None = None
    """The exit file, where it could be read: it outranks `state`."""
    handle: Handle | None = None
    """A fresher handle, when something about it is known only now."""
    missing: bool = False
    """Set by core: the backend answered, and did not mention this one."""
    progress: str = ""
    """For a person: `40/100`."""
    started_at: str = ""
    """When it began to run (UTC, ISO 8601), where the backend says so before the end."""


@frozen(kw_only=True)
class LogChunk:
    """A piece of a log, in whole lines."""

    lines: tuple[str, ...] = ()
    cursor: str = ""
    """Hand it back to read on."""
    ended: bool = False
    """Nothing more will come."""


@frozen(kw_only=True)
class JobEnd:
    """That an attempt of a job has ended, as extensions are told it."""

    invocation: str
    job: str
    """`<invocation>.<number>`."""
    task: str
    attempt: int
    state: JobState
    reason: str = ""
    exit_code: int | None = None
    """The harness's own; None = it left none."""
    directory: str = ""
    """The folder on this machine with the job's `artifacts/` and `logs/`; it need not exist."""
    started_at: str = ""
    """ISO 8601, UTC; empty = it never began, or that is not known."""
    ended_at: str = ""

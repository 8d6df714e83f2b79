"""From Slurm's words to states, and from all evidence of a job to one observation. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import evolve

from evalyard import BatchAnswer, ExitRecord, Handle, JobRow, JobState, Observation

_SIGNALLED = 128
"""Exit codes above this are signals."""
_STOPPED = (JobState.CANCELLED, JobState.TIMED_OUT)

_REQUEUED = "Slurm stopped it and put it back into its queue; resume the run to try again"
_PUT_BACK = ("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT")

_FAILED: Mapping[str, str] = {
    "BOOT_FAIL": "its node did not boot",
    "DEADLINE": "its deadline passed before it could end",
    "LAUNCH_FAILED": "Slurm could not start it",
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "out of memory",
    "PREEMPTED": "preempted",
    "RECONFIG_FAIL": "its node could not be reconfigured",
    "REVOKED": "another cluster of the federation took it",
}
"""Word -> what it means for a person."""

STATES: Mapping[str, JobState] = {
    **dict.fromkeys(
        (
            *("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
            *("POWER_UP_NODE",),
        ),
        JobState.QUEUED,
    ),
    **dict.fromkeys(
        ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED", "RESIZING", "UPDATE_DB"),
        JobState.RUNNING,
    ),
    "COMPLETED": JobState.SUCCEEDED,
    "CANCELLED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMED_OUT,
    "FAILED": JobState.FAILED,
    **dict.fromkeys(_FAILED, JobState.FAILED),
}
"""Slurm's words; any other one is UNKNOWN."""

_SHORT: Mapping[str, str] = {
    "PD": "PENDING",
    "CF": "CONFIGURING",
    "RQ": "REQUEUED",
    "RF": "REQUEUE_FED",
    "RH": "REQUEUE_HOLD",
    "RD": "RESV_DEL_HOLD",
    "SE": "SPECIAL_EXIT",
    "R": "RUNNING",
    "CG": "COMPLETING",
    "SI": "SIGNALING",
    "SO": "STAGE_OUT",
    "ST": "STOPPED",
    "S": "SUSPENDED",
    "RS": "RESIZING",
    "CD": "COMPLETED",
    "CA": "CANCELLED",
    "TO": "TIMEOUT",
    "F": "FAILED",
    "BF": "BOOT_FAIL",
    "DL": "DEADLINE",
    "LF": "LAUNCH_FAILED",
    "NF": "NODE_FAIL",
    "OOM": "OUT_OF_MEMORY",
    "PR": "PREEMPTED",
    "RV": "REVOKED",
}

_NEVER = {
    "DependencyNeverSatisfied": "it waits for a job that ended otherwise, and will never begin",
    "PartitionTimeLimit": "its walltime is more than the partition allows, so that it may never begin",
    "PartitionNodeLimit": "it wants more nodes than the partition allows, so that it may never begin",
    "PartitionConfig": "the partition does not allow what it asks for, so that it may never begin",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs",
    "JobHeldAdmin": "an administrator holds it back",
    "JobHeldUser": "held back; to let it go: scontrol release",
    "MaxMemPerLimit": "it wants more memory than is allowed, so that it may never begin",
    "BadConstraints": "no node is as it wants, so that it will never begin",
    "ReqNodeNotAvail": "a node that it wants is not available",
    "AccountNotAllowed": "the account may not use the partition",
    "QOSNotAllowed": "the quality of service may not be used there",
}
"""Slurm's reason -> what it means for a person; the others speak for themselves, or of waiting for one's turn."""


def state_of(word: str) -> JobState:
    """Return the state that a word of Slurm's means, long or short, with or without what follows it."""
    return STATES.get(state_word(word), JobState.UNKNOWN)


def observe(handle: Handle, answer: BatchAnswer) -> Observation | None:
    """Return what is known of a job, best evidence first; None = the cluster has answered, and it is not known."""
    row = answer.row_of(handle)
    said = _by_slurm(handle, row) if row is not None else None
    ended = answer.exit_of(handle)
    if ended is not None:
        return _ended(handle, ended, said, answer)
    if row is not None and said is not None and not said.state.final:
        if said.state is JobState.QUEUED:
            return _queued(said, row, begun=_has_begun(handle, answer))
        return answer.begun(handle, said)
    why = answer.noted(handle)
    if why is not None:
        return why
    if row is not None and _says_itself_how_it_ended(row):
        late = answer.may_lack_files(row)
        if late is None:
            return None
        return Observation(state=JobState.RUNNING, reason="it has ended; its files are not here yet") if late else said
    if row is not None and said is not None and said.state is JobState.CANCELLED and not _has_begun(handle, answer):
        # Without a word that is also what becomes of a job that its node could not start.
        more = f" ({row.reason})" if _speaks(row) else f"; if nobody did that, why is in {_log(handle)}"
        return evolve(said, reason=f"{said.reason} before it began{more}")
    return said if said is not None else answer.unmentioned(handle)


def _has_begun(handle: Handle, answer: BatchAnswer) -> bool:
    start = answer.starts.get(handle.name)
    return start is not None and start.mark == handle.mark


def _queued(said: Observation, row: JobRow, *, begun: bool) -> Observation:
    """Return what is known of a job in the queue that has not written how it ended."""
    if state_word(row.word) in _PUT_BACK or "requeued" in row.reason:
        why = row.reason if _speaks(row) else state_word(row.word)
        reason = _REQUEUED if begun else f"Slurm could not start it ({why}); resume the run to try again"
        return Observation(state=JobState.FAILED, reason=reason)
    if begun:
        # It began after the queue was asked; or it was put back, which it tells itself as soon as it begins again.
        return Observation(state=JobState.RUNNING, reason=f"it has begun, and Slurm has it in its queue: {row.reason}")
    return said


def _ended(handle: Handle, record: ExitRecord, said: Observation | None, answer: BatchAnswer) -> Observation:
    if record.exit_code == 0 and record.results:
        return Observation(state=JobState.SUCCEEDED, exit=record)
    why = answer.noted(handle)
    if why is None and said is not None:
        stopped = bool(record.signal) or record.exit_code > _SIGNALLED
        if stopped and said.state is JobState.QUEUED:
            return Observation(state=JobState.FAILED, reason=_REQUEUED, exit=record)
        if stopped and not said.state.final:
            # Whoever stopped it says why as soon as the job has left its nodes.
            return Observation(state=JobState.RUNNING, reason="it was stopped, and is ending")
        # The job's own code is all that Slurm's FAILED tells, and the record tells it better.
        if said.reason.partition(" (")[0] in _FAILED.values() or (stopped and said.state in _STOPPED):
            why = said
    if why is not None:
        return evolve(why, exit=record)
    return Observation(state=JobState.FAILED, reason=answer.failure(handle, record), exit=record)


def _by_slurm(handle: Handle, row: JobRow) -> Observation:
    state = state_of(row.word)
    match state:
        case JobState.UNKNOWN:
            return Observation(state=state, reason=f"Slurm calls its state '{row.word}'")
        case JobState.QUEUED:
            return Observation(state=state, reason=_waiting(row))
        case JobState.RUNNING:
            held = state_word(row.word) in ("SUSPENDED", "STOPPED")
            return Observation(state=state, reason=state_word(row.word).lower() if held else "")
        case JobState.SUCCEEDED:
            text = f"Slurm says COMPLETED, and it left no exit file; its last words are in {_log(handle)}"
            return Observation(state=JobState.FAILED, reason=text)
        case JobState.TIMED_OUT:
            return Observation(state=state, reason="it met the walltime")
        case JobState.CANCELLED:
            _, by, user = row.word.partition(" by ")
            return Observation(state=state, reason=f"cancelled by user {user} with scancel" if by else "cancelled")
    return Observation(state=state, reason=_failed(handle, row))


def state_word(word: str) -> str:
    """Return a word of Slurm's in full, without what follows it."""
    first = re.split(r"[ +]", word, maxsplit=1)[0].upper()
    return _SHORT.get(first, first)


def _waiting(row: JobRow) -> str:
    reason = row.reason.strip("()")
    if reason in ("", "None"):
        return "its nodes are made ready" if state_word(row.word) == "CONFIGURING" else ""
    known = _NEVER.get(reason.split(",")[0].split(" ")[0])
    return f"{reason}: {known}" if known else f"waits: {reason}"


def _failed(handle: Handle, row: JobRow) -> str:
    word = state_word(row.word)
    if word in _FAILED:
        same = row.reason.lower() in ("", "none", word.replace("_", "").lower())
        return _FAILED[word] if same else f"{_FAILED[word]} ({row.reason})"
    if row.exit_code == "0:53":
        return f"Slurm could not start it: its folder {handle.data.get('directory', '')} is not there on the node"
    if row.reason == "JobLaunchFailure":
        return f"JobLaunchFailure: Slurm could not start it, or killed it; if there are last words: {_log(handle)}"
    detail = row.reason if _speaks(row) else f"exit code {row.exit_code}" if row.exit_code else ""
    return f"Slurm says {word}{f' ({detail})' if detail else ''}; its last words are in {_log(handle)}"


def _speaks(row: JobRow) -> bool:
    return row.reason not in ("", "None")


def _log(handle: Handle) -> str:
    return f"{handle.data.get('directory', '')}/slurm-{handle.id}.log"


def _says_itself_how_it_ended(row: JobRow) -> bool:
    return state_word(row.word) in ("COMPLETED", "FAILED") and row.reason != "JobLaunchFailure"

"""What the backend's words mean: a table with an honest bottom, and pure."""

from __future__ import annotations

from evalyard import ExitRecord, JobState, Observation, StartRecord

# REPLACE: the words of your backend. Those for an end are missing here, because a process that ended is just not there.
STATES = {
    "running": JobState.RUNNING,
    "sleeping": JobState.RUNNING,
    "disk-sleep": JobState.RUNNING,
    "idle": JobState.RUNNING,
    "parked": JobState.RUNNING,
    "waking": JobState.RUNNING,
    "stopped": JobState.RUNNING,
    "tracing-stop": JobState.RUNNING,
}


def observation(word: str, started: StartRecord, ended: ExitRecord | None) -> Observation:
    """Say where an attempt stands. The exit file outranks the backend's word.

    Args:
        word: what the backend calls it; empty = the backend answered that there is none. Asked before the exit file was
            read, or a job that ended in between would look killed.
    """
    if ended is not None:
        succeeded = ended.exit_code == 0 and ended.results
        return Observation(state=JobState.SUCCEEDED if succeeded else JobState.FAILED, reason=ended.reason, exit=ended)
    if started.elsewhere:
        return Observation(state=JobState.UNKNOWN, reason=f"it runs {started.elsewhere}, out of sight from here")
    if not word and started.restarted:
        return Observation(state=JobState.LOST, reason="this machine was restarted while it ran")
    if not word:
        return Observation(state=JobState.FAILED, reason="the job script was killed before it could say how it ended")
    # An unlisted word is UNKNOWN and carries it: never success, never failure.
    state = STATES.get(word, JobState.UNKNOWN)
    reason = f"the backend says '{word}'" if state is JobState.UNKNOWN else ""
    return Observation(state=state, reason=reason, started_at=started.started_at)

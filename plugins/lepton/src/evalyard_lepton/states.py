"""The service's words and what they mean. A word that is not here is UNKNOWN, with the word."""

from __future__ import annotations

from collections.abc import Mapping

from evalyard import JobState, Observation

JOB_STATES: Mapping[str, JobState] = {
    "Queueing": JobState.QUEUED,
    "Awaiting": JobState.QUEUED,
    "Starting": JobState.QUEUED,
    "PendingRetry": JobState.QUEUED,
    "Running": JobState.RUNNING,
    "Restarting": JobState.RUNNING,
    "Stopping": JobState.RUNNING,
    "Terminating": JobState.RUNNING,
    "Deleting": JobState.RUNNING,
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Stopped": JobState.FAILED,
    "Deleted": JobState.FAILED,
}
"""`Archived` is not among them: it says nothing of how a job ended."""

ENDED = frozenset({"Completed", "Failed", "Stopped", "Deleted", "Archived"})
"""Nothing of such a job runs any more."""

JOB_REASONS: Mapping[str, str] = {
    "Stopped": "it was stopped in the workspace",
    "Deleted": "it was deleted in the workspace",
}

ENDPOINT_STATES: Mapping[str, JobState] = {
    "Ready": JobState.RUNNING,
    "Not Ready": JobState.QUEUED,
    "Starting": JobState.QUEUED,
    "Updating": JobState.RUNNING,
    "Scaling": JobState.RUNNING,
    "Migrating": JobState.RUNNING,
    "Restarting": JobState.RUNNING,
    "Stopping": JobState.FAILED,
    "Stopped": JobState.FAILED,
    "Deleting": JobState.FAILED,
    "Error": JobState.FAILED,
}

ENDPOINT_REASONS: Mapping[str, str] = {
    "Stopping": "its machines were taken away, for want of traffic (execution.idle_timeout_s) or by somebody",
    "Stopped": "its machines were taken away, for want of traffic (execution.idle_timeout_s) or by somebody",
    "Deleting": "it was deleted in the workspace",
    "Error": "the service calls it an error",
}

HOPELESS = frozenset({"NoCapacity", "ConfigError"})
"""Reasons for a replica not to be ready that waiting does not mend."""

CRASH_LOOP = 3
"""After how many ends of its program a model server is given up."""


def live(word: str) -> Observation:
    """Return what is known of a job that has not ended, from the service's word for it."""
    state = JOB_STATES.get(word, JobState.UNKNOWN)
    if state is JobState.UNKNOWN:
        return Observation(state=state, reason=f"the service calls it '{word}'")
    return Observation(state=state, reason="" if state is JobState.RUNNING else f"the service says {word}")

"""Where the files of a job lie on this machine, once they are here."""

from __future__ import annotations

from pathlib import Path

from evalyard.harness.evidence import attempt_folder
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.store.runs import Store


def fetched_folder(store: Store, invocation: str, job: JobHeader) -> Path:
    """Return where the files of a job are brought to when the backend shares no disk with us."""
    return store.folder(invocation) / "fetched" / job.folder


def job_folder(store: Store, invocation: Invocation, job: JobHeader) -> Path:
    """Return a job's directory as far as it is on this machine: the run directory's, else what was fetched."""
    own = Path(invocation.run_dir) / job.folder
    return own if own.is_dir() else fetched_folder(store, invocation.id, job)


def artifacts_folder(store: Store, invocation: Invocation, job: JobHeader, attempt: int) -> Path:
    """Return where the artifacts of an attempt are."""
    return attempt_folder(job_folder(store, invocation, job), attempt) / "artifacts"

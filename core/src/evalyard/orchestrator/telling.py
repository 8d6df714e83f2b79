"""What extensions are told of a job's end."""

from __future__ import annotations

from evalyard.harness.evidence import attempt_folder
from evalyard.ids import job_id
from evalyard.records.invocations import Invocation
from evalyard.records.observations import JobEnd
from evalyard.store.history import Attempt
from evalyard.store.layout import job_folder
from evalyard.store.runs import Store


def job_end(store: Store, invocation: Invocation, number: int, attempt: Attempt) -> JobEnd:
    """Return what is told of an attempt that has ended."""
    header = invocation.job(number)
    return JobEnd(
        invocation=invocation.id,
        job=job_id(invocation.id, number),
        task=header.task,
        attempt=attempt.number,
        state=attempt.state,
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        directory=str(attempt_folder(job_folder(store, invocation, header), attempt.number)),
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
    )

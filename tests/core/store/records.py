"""Records that tests of the store and of the orchestrator start from."""

from __future__ import annotations

from collections.abc import Sequence

from evalyard.records.connections import Connection
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.records.plans import Plan

ID = "a1b2c3d4"


def invocation(
    name: str = ID,
    *,
    jobs: int = 1,
    created_at: str = "2026-01-02T03:04:05.000+00:00",
    run_dir: str = "/nowhere/run",
) -> Invocation:
    """Return the header of an invocation."""
    return Invocation(
        id=name,
        created_at=created_at,
        source="run.yaml",
        run_dir=run_dir,
        connection=Connection(executor="toy"),
        jobs=tuple(JobHeader(number=n, task=f"task{n}", folder=f"task{n}") for n in range(1, jobs + 1)),
    )


def plans(header: Invocation) -> Sequence[Plan]:
    """Return a plan for the first attempt of each job."""
    return [
        Plan(
            job=f"{header.id}.{job.number}",
            task=job.task,
            attempt=1,
            name=f"ey-{header.id}-{job.number}-1",
            mark=f"mark{job.number}",
            directory=f"{header.run_dir}/{job.folder}",
        )
        for job in header.jobs
    ]

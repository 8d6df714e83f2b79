"""Runs on a cluster that are on record and that nobody started: as many jobs as a test likes, in no time."""

from collections.abc import Mapping
from pathlib import Path

from evalyard.ids import backend_name, job_id
from evalyard.records.connections import Connection
from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.records.plans import Plan
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store


def put_on_record(store: Store, folder: Path, invocation: str, numbers: Mapping[int, str]) -> None:
    """Record a run of submitted jobs.

    Args:
        folder: where run directories are.
        numbers: of a job -> Slurm's.
    """
    run_dir = f"{folder}/2026-01-02-03-04-05-{invocation}"
    header = Invocation(
        id=invocation,
        created_at="2026-01-02T03:04:05.000+00:00",
        source="run.yaml",
        run_dir=run_dir,
        connection=Connection(executor="slurm", shares_disk=True),
        jobs=tuple(JobHeader(number=number, task=f"t{number}", folder=f"t{number}") for number in numbers),
    )
    plans = [
        Plan(
            job=job_id(invocation, job.number),
            task=job.task,
            attempt=1,
            name=backend_name(invocation, job.number, 1),
            mark=f"{job.number:032x}",
            directory=f"{run_dir}/{job.folder}",
        )
        for job in header.jobs
    ]
    planned = [Entry(event=Event.PLANNED, at=1.0, job=number, mark=plan.mark) for number, plan in enumerate(plans, 1)]
    store.create(header, "# the configuration\n", plans, planned)
    entries = []
    for number, plan in zip(numbers, plans, strict=True):
        data = {"directory": plan.directory, "attempt": "1"}
        handle = Handle(name=plan.name, mark=plan.mark, id=numbers[number], data=data)
        entries += [
            Entry(event=Event.SENDING, at=2.0, job=number, mark=plan.mark),
            Entry(event=Event.HELD, at=3.0, job=number, handle=handle),
        ]
    store.record(invocation, entries)

"""Stores full of runs that nobody ran: what listing commands are measured and tested on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evalyard.ids import backend_name, job_id
from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile
from evalyard.records.handles import Handle
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.states import JobState
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store

FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
BETWEEN_RUNS = timedelta(minutes=7)
_SEED = 20260101
_TASKS = ("ifeval", "gpqa_diamond", "mmlu_pro", "aime_2025", "livecodebench")
_ENDS = (
    (JobState.SUCCEEDED, "", 0),
    (JobState.SUCCEEDED, "", 0),
    (JobState.SUCCEEDED, "", 0),
    (JobState.FAILED, "exit code 1: RuntimeError: the endpoint answered 500 to 12 of 200 requests", 1),
    (JobState.CANCELLED, "cancelled", 143),
    (JobState.LOST, "the backend has not mentioned it for 291 s", None),
)


def fill_store(home: Path, invocations: int, jobs: int) -> None:
    """Write ended invocations of `jobs` jobs each into the store at `home`; equal arguments write equal stores.

    Raises:
        StoreError: `home` cannot be written, or has been filled before.
    """
    store, chance = Store(home), random.Random(_SEED)
    for number in range(invocations):
        invocation = _invocation(home, number, jobs, f"{chance.getrandbits(32):08x}")
        plans = [_plan(invocation, header, f"{chance.getrandbits(128):032x}") for header in invocation.jobs]
        planned = [
            Entry(event=Event.PLANNED, at=_seconds(invocation), job=header.number, mark=plan.mark)
            for header, plan in zip(invocation.jobs, plans, strict=True)
        ]
        store.create(invocation, f"# run {number}\nexecution:\n  type: local\n", plans, planned)
        ended = [entry for plan in plans for entry in _life(invocation, plan, chance)]
        store.record(invocation.id, [*_need_life(invocation), *ended])


def _invocation(home: Path, number: int, jobs: int, name: str) -> Invocation:
    tasks = [_TASKS[job % len(_TASKS)] for job in range(jobs)]
    moment = FIRST_MOMENT + number * BETWEEN_RUNS
    return Invocation(
        id=name,
        created_at=moment.isoformat(timespec="milliseconds"),
        source="evaluation.yaml",
        run_dir=f"{home}/run-directories/{moment:%Y-%m-%d-%H-%M-%S}-{name}",
        connection=Connection(executor="local"),
        jobs=tuple(JobHeader(number=job, task=task, folder=f"{task}.{job}") for job, task in enumerate(tasks, start=1)),
        evalyard_version="0.1.0",
    )


def _plan(invocation: Invocation, header: JobHeader, mark: str) -> Plan:
    script = PlannedFile(path=f"{header.folder}/run.sh", text="#!/bin/sh\n" + "# the job script\n" * 200, mode=0o755)
    return Plan(
        job=job_id(invocation.id, header.number),
        task=header.task,
        attempt=1,
        name=backend_name(invocation.id, header.number, 1),
        mark=mark,
        directory=f"{invocation.run_dir}/{header.folder}",
        argv=("sh", "run.sh"),
        needs=(Need(key="files", kind=NeedKind.FILES, directory=invocation.run_dir, files=(script,)),),
        concurrency=2,
    )


def _need_life(invocation: Invocation) -> Iterable[Entry]:
    at, mark = _seconds(invocation), "0" * 32
    handle = Handle(name=backend_name(invocation.id, "files", 1), mark=mark, kind=NeedKind.FILES)
    yield Entry(event=Event.SENDING, at=at, need="files", mark=mark, kind=NeedKind.FILES)
    yield Entry(event=Event.HELD, at=at, need="files", handle=handle)


def _life(invocation: Invocation, plan: Plan, chance: random.Random) -> Iterable[Entry]:
    job, at = int(plan.job.rpartition(".")[2]), _seconds(invocation)
    start = datetime.fromtimestamp(at, UTC)
    duration_s = chance.randrange(60, 7200)
    state, reason, code = chance.choice(_ENDS)
    handle = Handle(
        name=plan.name,
        mark=plan.mark,
        id=str(chance.randrange(1000, 4_000_000)),
        data={"directory": plan.directory, "attempt": "1", "grace_s": "10.0"},
    )
    yield Entry(event=Event.SENDING, at=at, job=job, mark=plan.mark)
    yield Entry(event=Event.HELD, at=at, job=job, handle=handle)
    yield Entry(event=Event.STATE, at=at, job=job, state=JobState.RUNNING)
    yield Entry(
        event=Event.STATE,
        at=at + duration_s,
        job=job,
        state=state,
        reason=reason,
        exit_code=code,
        started_at=f"{start:%Y-%m-%dT%H:%M:%SZ}",
        ended_at=f"{start + timedelta(seconds=duration_s):%Y-%m-%dT%H:%M:%SZ}",
    )
    yield Entry(event=Event.RELEASED, at=at + duration_s, job=job)


def _seconds(invocation: Invocation) -> float:
    return datetime.fromisoformat(invocation.created_at).timestamp()

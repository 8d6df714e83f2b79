"""A run that nobody ran and that measured a lot: what `results` is measured on."""

from __future__ import annotations

from pathlib import Path

from evalyard.ids import backend_name, job_id
from evalyard.records.connections import Connection
from evalyard.records.files import PlannedFile
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.records.jobs import JobCard
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.states import JobState
from evalyard.store.journal import Entry, Event
from evalyard.store.runs import Store

SCORES = 20
INVOCATION = "0123abcd"
_SCORE = "{metrics: {accuracy: {scores: {accuracy: {value: 0.7, stats: {count: 100, stderr: 0.05, mean: 0.7}}}}}}"
_FILE_BYTES = 100_000
"""About what the scripts and harness files of a planned job come to."""


def fill_results(home: Path, tasks: int) -> None:
    """Record a run of `tasks` tasks in the store at `home`, all with scores, its run directory beside the records."""
    run_dir = home / "run"
    headers = tuple(JobHeader(number=n, task="mmlu", folder=f"mmlu.{n}") for n in range(1, tasks + 1))
    invocation = Invocation(
        id=INVOCATION,
        created_at="2026-01-02T03:04:05.000+00:00",
        source="evaluation.yaml",
        run_dir=str(run_dir),
        connection=Connection(executor="local"),
        jobs=headers,
    )
    planned = [Entry(event=Event.PLANNED, at=1.0, job=header.number) for header in headers]
    store = Store(home)
    store.create(invocation, "# the configuration\n", [_plan(invocation, header) for header in headers], planned)
    ended = [
        Entry(event=Event.STATE, at=2.0, job=header.number, state=JobState.SUCCEEDED, exit_code=0) for header in headers
    ]
    store.record(INVOCATION, ended)
    lines = ["results:", "  tasks:", *(f"    mmlu_subject_{number}: {_SCORE}" for number in range(SCORES))]
    for header in headers:
        artifacts = run_dir / header.folder / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "results.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plan(invocation: Invocation, header: JobHeader) -> Plan:
    name = job_id(invocation.id, header.number)
    script = PlannedFile(path=f"{header.folder}/run.sh", text="# the job script\n" * (_FILE_BYTES // 17), mode=0o755)
    return Plan(
        job=name,
        task=header.task,
        attempt=1,
        name=backend_name(invocation.id, header.number, 1),
        mark="0" * 32,
        directory=f"{invocation.run_dir}/{header.folder}",
        needs=(Need(key="files", kind=NeedKind.FILES, directory=invocation.run_dir, files=(script,)),),
        card=JobCard(job=name, task=header.task, executor="local", harness="nemo-evaluator", model_id="m"),
    )

"""From what was asked for to jobs and their plans: pure, so that `run --dry-run` is this and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen

from evalyard.errors import ConfigError
from evalyard.harness.adapters import endpoint_type, harness_for
from evalyard.harness.script import SERVER_FOLDER, run_all_script
from evalyard.ids import new_mark, task_folders
from evalyard.plugins.session import Session
from evalyard.records import Invocation, Job, JobHeader, Need, Plan, PlannedFile, SecretRef, Server
from evalyard.secrets import SECRETS_FILE
from evalyard.serving.recipes import secret_refs, server_for
from evalyard.specs import EndpointSpec, RunSpec, TaskSpec

MODEL_ASKED_LATER = "(asked of the endpoint when the run starts)"


@frozen(kw_only=True)
class Attempt:
    """Which attempt of a job to plan, and the mark that it shall carry."""

    number: int
    attempt: int = 1
    mark: str


def headers(spec: RunSpec) -> tuple[JobHeader, ...]:
    """Return the jobs of a run, numbered from 1 in the order of its tasks."""
    folders = task_folders([task.name for task in spec.tasks])
    return tuple(
        JobHeader(number=number, task=task.name, folder=folder)
        for number, (task, folder) in enumerate(zip(spec.tasks, folders, strict=True), start=1)
    )


def first_attempts(spec: RunSpec) -> tuple[Attempt, ...]:
    """Return the first attempt of every task, freshly marked."""
    return tuple(Attempt(number=number, mark=new_mark()) for number in range(1, len(spec.tasks) + 1))


def plan_attempts(
    spec: RunSpec, session: Session, settings: Any, invocation: Invocation, attempts: Iterable[Attempt]
) -> tuple[Plan, ...]:
    """Return the plan of each of these attempts.

    Raises:
        ConfigError: tasks, parameters or the deployment are not what they may be; all that is wrong at once.
    """
    server = server_for(spec.deployment) if spec.deployment else None
    shared = _run_files(spec, invocation, server)
    refs = [ref for task in spec.tasks for ref in secret_refs(task.env)] + list(server.secrets if server else ())
    secret_variables = tuple(sorted({ref.variable for ref in refs}))
    plans: list[Plan] = []
    problems: dict[str, None] = {}
    for attempt in attempts:
        header, task = invocation.job(attempt.number), spec.tasks[attempt.number - 1]
        try:
            endpoint = _endpoint(spec.endpoint, task, server)
            job = Job(
                invocation=invocation.id,
                number=attempt.number,
                attempt=attempt.attempt,
                mark=attempt.mark,
                task=task,
                harness=harness_for(task, endpoint),
                endpoint=endpoint,
                server=server,
                run_dir=invocation.run_dir,
                folder=header.folder,
                files=(*_secrets_file(header.folder, secret_refs(task.env)), *shared),
                secret_variables=secret_variables,
            )
            plans.append(session.plan(settings, job))
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise ConfigError(list(problems))
    return tuple(plans)


def merged_needs(plans: Iterable[Plan]) -> tuple[Need, ...]:
    """Return what these plans depend on, each key once, files united, in the order in which plans name them."""
    needs: dict[str, Need] = {}
    files: dict[str, dict[str, PlannedFile]] = {}
    for plan in plans:
        for need in plan.needs:
            needs.setdefault(need.key, need)
            files.setdefault(need.key, {}).update({file.path: file for file in need.files})
    return tuple(evolve(need, files=tuple(files[key].values())) for key, need in needs.items())


def secrets_of(plans: Iterable[Plan]) -> tuple[SecretRef, ...]:
    """Return every variable whose value these plans need, by name."""
    found = {
        (ref.name, ref.variable): ref for need in merged_needs(plans) for file in need.files for ref in file.secrets
    }
    return tuple(found.values())


def check_trust(tasks: Sequence[TaskSpec], *, trusted: bool) -> None:
    """Refuse a stranger's shell text.

    Raises:
        ConfigError: a task has a pre_cmd or post_cmd, and the caller does not say that it is trusted.
    """
    gated = [task.name for task in tasks if task.pre_cmd or task.post_cmd]
    if gated and not trusted:
        raise ConfigError(
            [f"{', '.join(gated)}: pre_cmd and post_cmd run shell text of the configuration"],
            hint="read it, then pass --trust-pre-cmd or set EVALYARD_TRUST_PRE_CMD=1",
        )


def _endpoint(given: EndpointSpec, task: TaskSpec, server: Server | None) -> EndpointSpec:
    kind = endpoint_type(task, given)
    if server is None:
        return evolve(given, type=kind, model_id=given.model_id or MODEL_ASKED_LATER)
    if kind not in server.paths:
        raise ConfigError(
            [f"{task.where}: wants an endpoint of type '{kind}'; the deployment has {', '.join(server.paths)}"]
        )
    return evolve(given, type=kind, url=None, model_id=server.model_id)


def _run_files(spec: RunSpec, invocation: Invocation, server: Server | None) -> tuple[PlannedFile, ...]:
    """Return what the run directory holds beside the tasks' own folders."""
    folders = [header.folder for header in invocation.jobs]
    again = run_all_script(folders, served=server is not None)
    files = [
        PlannedFile(path="config.yaml", text=spec.resolved),
        PlannedFile(path="run_all.sequential.sh", text=again, mode=0o755),
    ]
    if server is not None:
        files += _secrets_file(SERVER_FOLDER, server.secrets)
    return tuple(files)


def _secrets_file(folder: str, refs: tuple[SecretRef, ...]) -> tuple[PlannedFile, ...]:
    return (PlannedFile(path=f"{folder}/{SECRETS_FILE}", mode=0o600, secrets=refs),) if refs else ()

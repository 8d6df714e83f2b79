"""From what was asked for to jobs and their plans: pure, so that `run --dry-run` is this and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen

from evalyard.catalogue.resolve import Benchmark, resolve
from evalyard.catalogue.tasks import Catalogue, catalogue
from evalyard.errors import ConfigError
from evalyard.harness.adapters import harness_for
from evalyard.harness.places import INSIDE
from evalyard.harness.script import run_all_script
from evalyard.ids import new_mark, task_folders
from evalyard.plugins.session import Session
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.invocations import Invocation, JobHeader
from evalyard.records.jobs import Job, JobCard
from evalyard.records.plans import Need, Plan
from evalyard.records.programs import Server
from evalyard.scoring.card import CARD_FILE, card_for, render_card, with_card
from evalyard.secrets import SECRETS_FILE
from evalyard.serving.auxiliary import addresses, auxiliary_servers, endpoint_with_servers, with_servers
from evalyard.serving.recipes import secret_refs, server_for
from evalyard.specs import EndpointSpec, RunSpec, TaskSpec, ValueSource

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
    _check_servers(spec, session)
    shared = _shared(spec, invocation)
    plans: list[Plan] = []
    problems: dict[str, None] = {}
    for attempt in attempts:
        try:
            job, card = _job(shared, attempt, session.server_key)
            plans.append(with_card(session.plan(settings, job), card))
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise ConfigError(list(problems))
    return tuple(plans)


@frozen(kw_only=True)
class _Shared:
    """What all jobs of a run have in common."""

    spec: RunSpec
    invocation: Invocation
    known: Catalogue
    endpoint: EndpointSpec
    server: Server | None
    auxiliary: tuple[Server, ...]
    files: tuple[PlannedFile, ...]
    secret_variables: tuple[str, ...]


def _shared(spec: RunSpec, invocation: Invocation) -> _Shared:
    server = server_for(spec.deployment) if spec.deployment else None
    auxiliary = auxiliary_servers(spec.auxiliary_deployments)
    servers = (server, *auxiliary) if server else auxiliary
    refs = [ref for task in spec.tasks for ref in secret_refs(task.env)]
    refs += [ref for one in servers for ref in one.secrets]
    return _Shared(
        spec=spec,
        invocation=invocation,
        known=catalogue(spec.catalogue),
        endpoint=endpoint_with_servers(spec.endpoint, auxiliary),
        server=server,
        auxiliary=auxiliary,
        files=_run_files(spec, invocation, servers),
        secret_variables=tuple(sorted({ref.variable for ref in refs} - _taken_where_it_runs(spec, servers))),
    )


def _job(shared: _Shared, attempt: Attempt, server_key: str | None) -> tuple[Job, JobCard]:
    """Return one attempt as the executor gets it, and the card of its job."""
    header, asked = shared.invocation.job(attempt.number), shared.spec.tasks[attempt.number - 1]
    server, auxiliary = shared.server, shared.auxiliary
    benchmark = resolve(asked, shared.endpoint, shared.known)
    endpoint = _endpoint(shared.endpoint, asked, benchmark, server, server_key)
    task, urls = with_servers(asked, auxiliary), addresses(auxiliary)
    harness = harness_for(task, endpoint, benchmark, header.folder, addresses=urls)
    card = card_for(
        shared.spec,
        shared.invocation,
        header.number,
        asked,
        harness=harness,
        endpoint=endpoint,
        server=server,
        auxiliary=auxiliary,
    )
    card_file = PlannedFile(path=f"{header.folder}/{CARD_FILE}", text=render_card(card))
    job = Job(
        invocation=shared.invocation.id,
        number=attempt.number,
        attempt=attempt.attempt,
        mark=attempt.mark,
        task=task,
        harness=harness,
        contained=harness_for(task, endpoint, benchmark, header.folder, INSIDE, urls),
        endpoint=endpoint,
        server=server,
        auxiliary=auxiliary,
        run_dir=shared.invocation.run_dir,
        folder=header.folder,
        files=(card_file, *_secrets_file(header.folder, secret_refs(task.env)), *shared.files),
        secret_variables=shared.secret_variables,
    )
    return job, card


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


def _taken_where_it_runs(spec: RunSpec, servers: Iterable[Server]) -> set[str]:
    """Return the variables that jobs and servers read where they run (`runtime:`): those must reach them."""
    jobs = {value.text for task in spec.tasks for value in task.env.values() if value.source is ValueSource.RUNTIME}
    return jobs.union(*(server.runtime.values() for server in servers))


def check_trust(spec: RunSpec, *, trusted: bool) -> None:
    """Refuse a stranger's shell text.

    Raises:
        ConfigError: a task or a deployment has a pre_cmd or post_cmd, and the caller does not say that it is trusted.
    """
    gated = [task.name for task in spec.tasks if task.pre_cmd or task.post_cmd]
    servers = [*([spec.deployment] if spec.deployment else []), *(one.server for one in spec.auxiliary_deployments)]
    gated += [server.path for server in servers if server.pre_cmd]
    if gated and not trusted:
        raise ConfigError(
            [f"{', '.join(gated)}: pre_cmd and post_cmd run shell text of the configuration"],
            hint="read it, then pass --trust-pre-cmd or set EVALYARD_TRUST_PRE_CMD=1",
        )


def check_listed(spec: RunSpec, *, allowed: bool) -> None:
    """Refuse images of strangers: what no catalogue lists is whatever its container does.

    Raises:
        ConfigError: a task names a container, no catalogue lists it, and the caller does not say that this is wanted.
    """
    known = catalogue(spec.catalogue)
    unlisted = [
        f"{task.where}: no catalogue lists '{task.name}', and its container may do anything"
        for task in spec.tasks
        if task.harness is None and task.container and known.find(task.name) is None
    ]
    if unlisted and not allowed:
        raise ConfigError(unlisted, hint="if you trust the image: --allow-unlisted, or set EVALYARD_ALLOW_UNLISTED=1")


def _check_servers(spec: RunSpec, session: Session) -> None:
    """Refuse servers that would be asked for in vain."""
    if spec.auxiliary_deployments and not session.starts_auxiliaries:
        first = spec.auxiliary_deployments[0].server
        where = f"{first.places['']}: {first.path}" if first.places else first.path
        raise ConfigError([f"{where}: executor {spec.execution.name} starts no auxiliary deployments in this version"])
    given = spec.deployment.executor_config if spec.deployment else None
    if given is not None and spec.execution.name != given.name:
        raise given.error("", f"only executor {given.name} reads it; remove it (-o ~{given.path})")


def _endpoint(
    given: EndpointSpec, task: TaskSpec, benchmark: Benchmark, server: Server | None, server_key: str | None
) -> EndpointSpec:
    kind = benchmark.endpoint_type
    if server is None:
        return evolve(given, type=kind, model_id=given.model_id or MODEL_ASKED_LATER)
    if kind not in server.paths:
        raise ConfigError(
            [f"{task.where}: wants an endpoint of type '{kind}'; the deployment has {', '.join(server.paths)}"]
        )
    key = given.api_key_name or server_key
    return evolve(given, type=kind, url=None, model_id=server.model_id, api_key_name=key)


def _run_files(spec: RunSpec, invocation: Invocation, servers: Sequence[Server]) -> tuple[PlannedFile, ...]:
    """Return what the run directory holds beside the tasks' own folders."""
    folders = [header.folder for header in invocation.jobs]
    again = run_all_script(folders, servers)
    files = [
        PlannedFile(path="config.yaml", text=spec.resolved),
        PlannedFile(path="run_all.sequential.sh", text=again, mode=0o755),
    ]
    for server in servers:
        files += _secrets_file(server.folder, server.secrets)
    return tuple(files)


def _secrets_file(folder: str, refs: tuple[SecretRef, ...]) -> tuple[PlannedFile, ...]:
    return (PlannedFile(path=f"{folder}/{SECRETS_FILE}", mode=0o600, secrets=refs),) if refs else ()

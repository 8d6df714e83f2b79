"""From a job to its plan: pure, without the SDK."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from attrs import evolve

from evalyard import (
    SECRETS_FILE,
    SERVER_FOLDER,
    STORAGE_VARIABLE,
    Binding,
    ConfigError,
    Job,
    Need,
    NeedKind,
    Plan,
    PlannedFile,
    Server,
    carried_job,
    carried_server,
    job_script,
    server_script,
    structure,
    with_server_script,
)
from evalyard_lepton import payloads
from evalyard_lepton.payloads import ATTEMPT_VARIABLE, MARK_VARIABLE, SERVER_PORT, Json
from evalyard_lepton.server_settings import ModelMount, ServerSettings
from evalyard_lepton.settings import Settings
from evalyard_lepton.terms import Mount

FILES_NEED = "files"
SECRETS_NEED = "secrets"
SERVER_NEED = "server"
SERVER_KEY = "EVALYARD_ENDPOINT_KEY"
"""The variable in which a job finds the random key of its endpoint."""
SERVER_NAME = "EVALYARD_SERVER_NAME"
STORAGE_FOLDER = "evalyard"
"""Where run directories are in storage that is mounted."""
MEGABYTE = 1024 * 1024


def plan_job(settings: Settings, job: Job) -> Plan:
    """Return everything that is written, sent and started for one attempt.

    Raises:
        ConfigError: there is no image, no storage for a dataset, or the endpoint's settings are wrong.
    """
    image = job.contained.image
    if not image:
        problem = f"'{job.task.name}' names no container image, and Lepton runs nothing else: give the task a container"
        raise ConfigError([f"{job.task.where or job.task.name}: {problem}"])
    tasks, limits = settings.lepton_platform.tasks, settings.evaluation_tasks
    told = _told(job.server)
    files = _local_files(settings, job, told)
    storage = _storage(settings)
    generated = _generated(job, _refs(files, job.folder))
    environment = {MARK_VARIABLE: job.mark, ATTEMPT_VARIABLE: str(job.attempt)}
    if storage:
        environment[STORAGE_VARIABLE] = storage
    needs = [Need(key=FILES_NEED, kind=NeedKind.FILES, directory=job.run_dir, files=tuple(files))]
    needs += _secrets_need(files, job)
    bindings = {}
    if job.server is not None and told is not None:
        need = _server_need(settings, job, job.server, told, files)
        needs.append(need)
        bindings["EVALYARD_BASE_URL"] = Binding(need=need.key, output="base_url")
        bindings[SERVER_NAME] = Binding(need=need.key, output="name")
        if _own_key(job, told):
            generated[SERVER_KEY] = key_secret(job.invocation, need.key)
    command = carried_job(
        job,
        _travelling(files, job),
        timeout_s=limits.timeout,
        grace_s=settings.kill_grace_s,
        limit_bytes=round(settings.archive_limit_mb * MEGABYTE),
    )
    body = payloads.job_payload(
        settings,
        name=job.name,
        image=image,
        command=command,
        envs=payloads.variables(tasks.env_vars, generated),
        mounts=(*tasks.mounts, *_dataset(job, tasks.mounts)),
    )
    results = job.contained.results
    return Plan(
        job=job.id,
        task=job.task.name,
        attempt=job.attempt,
        name=job.name,
        mark=job.mark,
        directory=job.directory,
        environment=environment,
        bindings=bindings,
        needs=tuple(needs),
        payload={
            "job": body,
            "node_group": tasks.node_group,
            "timeout": limits.timeout,
            "storage": f"{storage}/{PurePosixPath(job.run_dir).name}/{job.folder}" if storage else "",
        },
        image=image,
        concurrency=settings.max_parallel,
        grace_s=settings.kill_grace_s,
        results=results,
        notes=_notes(settings, job, told),
    )


def _told(server: Server | None) -> ServerSettings | None:
    """Return what Lepton is told of the model server."""
    if server is None:
        return None
    if not server.image:
        raise ConfigError([f"deployment.image: type {server.recipe} needs an image on Lepton"])
    if server.told is None:
        raise ConfigError(["deployment.lepton_config.resource_shape: missing; say what the model server runs on"])
    return structure(server.told, ServerSettings)


def _local_files(settings: Settings, job: Job, told: ServerSettings | None) -> list[PlannedFile]:
    """Return what the run directory holds, here; secrets that the workspace has are not among them."""
    ready_timeout = settings.lepton_platform.deployment.endpoint_readiness_timeout
    script = job_script(job, program=job.contained.script, ready_timeout_s=ready_timeout)
    files = [
        PlannedFile(path=f"{job.folder}/run.sh", text=script, mode=0o755),
        *job.files,
        *job.contained.files,
    ]
    if job.server is not None:
        files += [
            PlannedFile(path=f"{SERVER_FOLDER}/run.sh", text=server_script(job.server, job.invocation), mode=0o755),
            PlannedFile(path=f"{SERVER_FOLDER}/with_server.sh", text=with_server_script(job.server), mode=0o755),
            *job.server.files,
        ]
    there = {
        f"{job.folder}/{SECRETS_FILE}": payloads.from_workspace(settings.lepton_platform.tasks.env_vars),
        f"{SERVER_FOLDER}/{SECRETS_FILE}": payloads.from_workspace(told.envs) if told else frozenset(),
    }
    kept = []
    for file in files:
        refs = tuple(ref for ref in file.secrets if ref.name not in there.get(file.path, ()))
        if refs or not file.secrets:
            kept.append(evolve(file, secrets=refs))
    return kept


def _travelling(files: Sequence[PlannedFile], job: Job) -> list[PlannedFile]:
    """Return what a job's container needs of the run directory."""
    programs = {file.path for file in job.contained.files}
    return [
        file for file in files if not file.secrets and (file.path.startswith(f"{job.folder}/") or file.path in programs)
    ]


def _refs(files: Sequence[PlannedFile], folder: str) -> dict[str, str]:
    """Return the secrets of a folder: variable there -> variable here."""
    return {ref.name: ref.variable for file in files if file.path == f"{folder}/{SECRETS_FILE}" for ref in file.secrets}


def _generated(job: Job, refs: dict[str, str]) -> dict[str, str]:
    return {name: secret_name(job.invocation, variable) for name, variable in refs.items()}


def secret_name(invocation: str, variable: str) -> str:
    """Return what the workspace calls the secret of a run that holds a variable's value."""
    return f"ey-{invocation}-{variable}"


def _secrets_need(files: Sequence[PlannedFile], job: Job) -> list[Need]:
    secret = tuple(file for file in files if file.secrets)
    if not secret:
        return []
    payload = {"invocation": job.invocation}
    return [Need(key=SECRETS_NEED, kind=NeedKind.RESOURCE, files=secret, payload=payload)]


def key_secret(invocation: str, key: str) -> str:
    """Return what the workspace calls the secret that holds an endpoint's key."""
    return f"ey-{invocation}-key-of-{key}"


def _own_key(job: Job, told: ServerSettings) -> bool:
    """Whether the endpoint gets a random key: nobody named one."""
    return not (told.api_tokens or told.api_token) and job.endpoint.api_key_name in (None, SERVER_KEY)


def _server_need(
    settings: Settings, job: Job, server: Server, told: ServerSettings, files: Sequence[PlannedFile]
) -> Need:
    key = SERVER_NEED if settings.share_endpoint else f"{SERVER_NEED}-{job.number}"
    folders = {mount.variable: mount.source for mount in server.mounts if mount.variable}
    values = {
        "HOST": "0.0.0.0",  # noqa: S104 - in its container
        "PORT": str(server.port or SERVER_PORT),
        "EVALYARD_MODEL_ID": server.model_id,
        "PYTHONUNBUFFERED": "1",
        **folders,
        **server.literals,
    }
    refs = _refs(files, SERVER_FOLDER)
    envs = payloads.plain(values) + payloads.variables(told.envs, _generated(job, refs))
    if not settings.keep_endpoint:
        lifetime = settings.max_lifetime_s
    else:
        envs += payloads.plain({payloads.KEPT_VARIABLE: "yes"})
        lifetime = 0
    body = payloads.endpoint_payload(
        settings, told, server, command=carried_server(server, job.invocation), envs=_last_wins(envs)
    )
    named = None if _own_key(job, told) or told.api_tokens or told.api_token else job.endpoint.api_key_name
    return Need(
        key=key,
        kind=NeedKind.SERVER,
        directory=f"{job.run_dir}/{SERVER_FOLDER}",
        payload={
            "endpoint": body,
            "node_group": settings.lepton_platform.deployment.node_group,
            "key_secret": key_secret(job.invocation, key) if _own_key(job, told) else "",
            "key_variable": named or "",
            "keep": settings.keep_endpoint,
            "max_lifetime_s": lifetime,
        },
        health_path=server.health_path,
    )


def _last_wins(envs: list[Json]) -> list[Json]:
    return list({env["name"]: env for env in envs}.values())


def _storage(settings: Settings) -> str:
    """Return where run directories are in a container's storage; empty = there is none."""
    if not settings.evaluation_tasks.use_shared_storage:
        return ""
    usable = [mount for mount in settings.lepton_platform.tasks.mounts if not mount.read_only]
    return f"{usable[0].mount_path.rstrip('/')}/{STORAGE_FOLDER}" if usable else ""


def _dataset(job: Job, mounts: Sequence[Mount]) -> list[Mount]:
    """Return the mount of a task's data: a folder of storage that is mounted anyway, by the name it has there."""
    folder = job.task.dataset_dir
    if not folder:
        return []
    for mount in mounts:
        inside = PurePosixPath(mount.mount_path)
        if PurePosixPath(folder).is_relative_to(inside):
            below = PurePosixPath(mount.path) / PurePosixPath(folder).relative_to(inside)
            return [evolve(mount, path=str(below), mount_path=job.task.dataset_mount_path)]
    there = ", ".join(mount.mount_path for mount in mounts) or "none"
    problem = f"dataset_dir '{folder}' is in no mount of execution.lepton_platform.tasks.mounts (there are: {there})"
    raise ConfigError([f"{job.task.where or job.task.name}: {problem}"])


def _notes(settings: Settings, job: Job, told: ServerSettings | None) -> tuple[str, ...]:
    notes = []
    if settings.lepton_platform.deployment.platform_defaults.enable_rdma is not None:
        notes.append("enable_rdma means nothing: the service has no such field")
    if settings.env_var_names:
        notes.append("env_var_names means nothing: variables are given by env_vars")
    if told is not None and settings.keep_endpoint:
        notes.append("keep_endpoint: the endpoint stays, and costs money, until you remove it")
    if told is not None and job.server is not None:
        mounts = payloads.server_mounts(told, job.server)
        notes += [
            f"{mount.source} is in no mount of deployment.lepton_config.mounts: the image has to have it"
            for mount in job.server.mounts
            if not any(PurePosixPath(mount.source).is_relative_to(one.mount_path) for one in mounts)
        ]
        if isinstance(told.mounts, ModelMount) and not told.mounts.enabled and told.mounts.from_:
            notes.append("deployment.lepton_config.mounts: enabled is false, so nothing is mounted")
    return tuple(notes)

"""From a job to its plan with Docker: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from evalyard import (
    HARNESS_INSIDE,
    INSIDE,
    INSIDE_SCRIPT,
    JOB_INSIDE,
    SERVER_FOLDER,
    Binding,
    ConfigError,
    Job,
    Need,
    NeedKind,
    Plan,
    PlannedFile,
    Server,
    inside_script,
    inside_server_script,
    job_script,
    job_variables,
    server_script,
    server_variables,
    with_server_script,
)
from evalyard_local.docker.arguments import docker_arguments, has_names, network_of
from evalyard_local.docker.images import image_need
from evalyard_local.docker.script import (
    CONTAINER_VARIABLE,
    NETWORK_VARIABLE,
    SERVER_CONTAINER,
    USER_VARIABLE,
    Bind,
    Container,
    container_text,
    gpu_text,
    is_loopback,
    loopback_text,
    network_text,
    refused_path,
)
from evalyard_local.plans import FILES_NEED, SERVER_NEED
from evalyard_local.processes import ATTEMPT_VARIABLE
from evalyard_local.settings import Settings

SERVER_PORT = 8000
MODEL_HOST = "model"
"""By what name containers of the private network reach the model server."""
_ASKS = f'docker exec "${SERVER_CONTAINER}"'


def plan_contained(settings: Settings, job: Job) -> Plan:
    """Return everything that is written and started for one attempt.

    Raises:
        ConfigError: there is no image, or a path that Docker cannot take.
    """
    image = job.contained.image
    if not image:
        problem = f"'{job.task.name}' names no container image: give the task container: IMAGE, or pass --no-docker"
        raise ConfigError([f"{job.task.where or job.task.name}: {problem}"])
    _check_paths(settings, job)
    extra = docker_arguments(settings.extra_docker_args)
    pulled = image_need(image, settings.pull)
    needs = [pulled]
    bindings = {USER_VARIABLE: Binding(need=pulled.key, output="user")}
    files = [*job.files, *job.contained.files]
    network, before, notes = network_of(extra), "", []
    if job.server is not None:
        files += _server_files(settings, job, job.server)
        served = _server_need(settings, job, job.server)
        needs += [image_need(job.server.image or "", settings.pull), served]
        outputs = {
            "EVALYARD_BASE_URL": "base_url",
            "EVALYARD_SERVER_EXIT": "exit_file",
            SERVER_CONTAINER: "container",
            NETWORK_VARIABLE: "network",
        }
        bindings |= {name: Binding(need=SERVER_NEED, output=output) for name, output in outputs.items()}
    elif not network and is_loopback(job.endpoint.url or ""):
        before = loopback_text(job.endpoint.url or "")
        notes.append(
            "the endpoint is on this machine, so containers share its network (--network host; with Docker Desktop "
            "they ask host.docker.internal)"
        )
    start = container_text(_harness_container(settings, job, image, before))
    script = job_script(job, start=start, asks=_ASKS, ready_timeout_s=settings.endpoint_readiness_timeout)
    files += [
        PlannedFile(path=f"{job.folder}/run.sh", text=script, mode=0o755),
        PlannedFile(path=f"{job.folder}/{INSIDE_SCRIPT}", text=inside_script(job), mode=0o755),
    ]
    results = job.contained.results
    return Plan(
        job=job.id,
        task=job.task.name,
        attempt=job.attempt,
        name=job.name,
        mark=job.mark,
        directory=job.directory,
        argv=("sh", "run.sh"),
        environment={CONTAINER_VARIABLE: f"{job.name}-{_readable(job.task.name)}"},
        bindings=bindings,
        needs=(Need(key=FILES_NEED, kind=NeedKind.FILES, directory=job.run_dir, files=tuple(files)), *needs),
        payload={
            "withheld": list(job.secret_variables),
            "keep": settings.keep.value,
            "results": results.file if results else "",
            "network": network or ("host" if before else ""),
            "probe_url": _root(job.endpoint.url) if job.server is None else "",
        },
        image=image,
        concurrency=settings.concurrency,
        grace_s=settings.kill_grace_s,
        results=results,
        notes=tuple(notes),
    )


def _harness_container(settings: Settings, job: Job, image: str, before: str) -> Container:
    harness, here = job.contained, f"{job.folder}/"
    own = [file.path.removeprefix(here) for file in harness.files if file.path.startswith(here)]
    travelling = {file.path.split("/")[0] for file in harness.files if not file.path.startswith(here)}
    binds = [
        Bind(source="artifacts", target=INSIDE.artifacts),
        *(Bind(source=name, target=f"{JOB_INSIDE}/{name}", read_only=True) for name in (INSIDE_SCRIPT, *own)),
        *(Bind(source=f"../{name}", target=HARNESS_INSIDE, read_only=True) for name in sorted(travelling)),
        *(
            Bind(source=f"../../{name}".rstrip("/"), target=f"{INSIDE.output_dir}/{name}".rstrip("/"), make=True)
            for name in harness.lasting
        ),
    ]
    if job.task.dataset_dir:
        binds.append(Bind(source=job.task.dataset_dir, target=job.task.dataset_mount_path, read_only=True))
    network = ['--network "$network"'] if before else []
    if job.server is not None and not network_of(docker_arguments(settings.extra_docker_args)):
        network = [f'--network "${NETWORK_VARIABLE}"']
    return Container(
        title="The container that runs it; what happens in it is in inside.sh.",
        name=f"{job.name}-{_readable(job.task.name)}",
        image=image,
        command=(f"{JOB_INSIDE}/{INSIDE_SCRIPT}",),
        keeps_entrypoint=harness.keeps_entrypoint,
        labels={"invocation": job.invocation, "job": job.id, "task": job.task.name, "role": "client"},
        binds=(*binds, *_user_binds(settings.mounts.evaluation)),
        secrets=any(file.path == f"{job.folder}/.secrets.env" for file in job.files),
        log="logs/stdout.log",
        variables=(*job_variables(job), CONTAINER_VARIABLE, ATTEMPT_VARIABLE),
        settings={"EVALYARD_JOB_DIR": JOB_INSIDE, "EVALYARD_OUTPUT_DIR": INSIDE.artifacts},
        before=before,
        # By a process number of its own, every container would choose the same port.
        flags=(*_resources(settings), *network, '--env ADAPTER_PORT="$((10000 + $$ % 20000))"'),
        extra=docker_arguments(settings.extra_docker_args),
    )


def _server_files(settings: Settings, job: Job, server: Server) -> tuple[PlannedFile, ...]:
    text = container_text(_server_container(settings, job, server))
    script = server_script(server, job.invocation, host="0.0.0.0", start=text)  # noqa: S104 - in its container
    name = f"ey-{job.invocation}-server-by-hand-$$"
    before = f"{NETWORK_VARIABLE}={name} {SERVER_CONTAINER}={name}\nexport {NETWORK_VARIABLE} {SERVER_CONTAINER}\n"
    beside = with_server_script(server, host=_host(settings), before=before)
    return (
        PlannedFile(path=f"{SERVER_FOLDER}/run.sh", text=script, mode=0o755),
        PlannedFile(
            path=f"{SERVER_FOLDER}/{INSIDE_SCRIPT}", text=inside_server_script(server, job.invocation), mode=0o755
        ),
        PlannedFile(path=f"{SERVER_FOLDER}/with_server.sh", text=beside, mode=0o755),
        *server.files,
    )


def _server_container(settings: Settings, job: Job, server: Server) -> Container:
    extra = docker_arguments(settings.extra_docker_args)
    here, wanted = f"{SERVER_FOLDER}/", network_of(extra)
    own = {file.path.removeprefix(here).split("/")[0] for file in server.files if file.path.startswith(here)}
    binds = [
        Bind(source="artifacts", target=INSIDE.artifacts),
        *(Bind(source=name, target=f"{JOB_INSIDE}/{name}", read_only=True) for name in (INSIDE_SCRIPT, *sorted(own))),
        *(Bind(source=m.source, target=m.target, read_only=m.read_only) for m in server.mounts),
    ]
    flags = list(_resources(settings))
    before = ""
    if not wanted:
        before = network_text()
        flags.append(f'--network "${NETWORK_VARIABLE}"')
    if not wanted or has_names(wanted):
        flags.append(f"--network-alias {MODEL_HOST}")
    if settings.publish_port is not None:
        flags.append(f'--publish "127.0.0.1:{settings.publish_port}:$PORT"')
    return Container(
        title="The container that serves; what happens in it is in inside.sh.",
        name=f"ey-{job.invocation}-server",
        name_variable=SERVER_CONTAINER,
        image=server.image or "",
        command=(f"{JOB_INSIDE}/{INSIDE_SCRIPT}",),
        labels={"invocation": job.invocation, "role": "server"},
        binds=(*binds, *_user_binds(settings.mounts.deployment)),
        secrets=bool(server.secrets),
        log="logs/server.log",
        variables=server_variables(server),
        settings={
            "EVALYARD_JOB_DIR": JOB_INSIDE,
            "EVALYARD_OUTPUT_DIR": INSIDE.artifacts,
        },
        before=before,
        flags=tuple(flags),
        after=gpu_text(settings.gpus) if server.gpus or settings.gpus != "auto" else "",
        extra=extra,
    )


def _server_need(settings: Settings, job: Job, server: Server) -> Need:
    if not server.image:
        problem = f"type {server.recipe} needs an image to serve in a container: set it, or pass --no-docker"
        raise ConfigError([f"deployment.image: {problem}"])
    port = server.port or SERVER_PORT
    return Need(
        key=SERVER_NEED,
        kind=NeedKind.SERVER,
        directory=f"{job.run_dir}/{SERVER_FOLDER}",
        argv=("sh", "run.sh"),
        payload={
            "port": port,
            "base_url": f"http://{_host(settings)}:{port}",
            "grace_s": settings.kill_grace_s,
            "keep": settings.keep.value,
            "withheld": list(job.secret_variables),
        },
        health_path=server.health_path,
    )


def _host(settings: Settings) -> str:
    """Return by what name a harness's container reaches the model server."""
    network = network_of(docker_arguments(settings.extra_docker_args))
    return MODEL_HOST if not network or has_names(network) else "127.0.0.1"


def _resources(settings: Settings) -> tuple[str, ...]:
    given = {"--cpus": settings.cpus, "--memory": settings.memory, "--shm-size": settings.shm_size}
    return tuple(f"{flag} {value}" for flag, value in given.items() if value)


def _user_binds(mounts: Mapping[str, str]) -> tuple[Bind, ...]:
    found = []
    for source, target in mounts.items():
        path, _, mode = target.rpartition(":") if target.endswith((":ro", ":rw")) else (target, "", "")
        found.append(Bind(source=source, target=path, read_only=mode == "ro"))
    return tuple(found)


def _check_paths(settings: Settings, job: Job) -> None:
    mounts = {**settings.mounts.deployment, **settings.mounts.evaluation}
    relative = [source for source in mounts if not source.startswith("/")]
    if relative:
        raise ConfigError([f"execution.mounts: '{relative[0]}' must be an absolute path of this machine"])
    relative = [target for target in mounts.values() if not target.startswith("/")]
    if relative:
        raise ConfigError([f"execution.mounts: '{relative[0]}' must be an absolute path in the container"])
    asked = [job.task.dataset_dir or "", job.task.dataset_mount_path]
    if job.server is not None:
        asked += [path for mount in job.server.mounts for path in (mount.source, mount.target)]
    bad = refused_path([job.run_dir, *mounts, *mounts.values(), *asked])
    if bad:
        raise ConfigError([f"'{bad}': Docker cannot mount a path with a comma, a quote or a line break in it"])


def _readable(task: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[:40].strip("-") or "task"


def _root(url: str | None) -> str:
    parts = urlsplit(url or "")
    return urlunsplit((parts.scheme, parts.netloc, "/", "", ""))

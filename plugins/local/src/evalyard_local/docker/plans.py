"""From a job to its plan with Docker: pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from evalyard import (
    INSIDE,
    INSIDE_SCRIPT,
    JOB_INSIDE,
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
    server_of,
    server_script,
    server_variables,
    with_server_script,
)
from evalyard_local.docker.arguments import docker_arguments, has_names, network_of
from evalyard_local.docker.images import image_need
from evalyard_local.docker.mounts import check_paths, harness_binds, server_binds
from evalyard_local.docker.script import (
    CONTAINER_VARIABLE,
    NETWORK_VARIABLE,
    PLATFORM_VARIABLE,
    USER_VARIABLE,
    Container,
    address_flag,
    address_text,
    connect_text,
    container_text,
    gpu_text,
    is_loopback,
    loopback_text,
    network_text,
)
from evalyard_local.plans import FILES_NEED, check_mounted, check_ports, server_bindings
from evalyard_local.processes import ATTEMPT_VARIABLE
from evalyard_local.settings import Settings

SERVER_PORT = 8000
MODEL_HOST = "model"
"""By what name containers of the private network reach the model server."""
_CONTAINER = "SERVER_CONTAINER"
"""What the variable with a server's container is called, behind what all its variables begin with."""
_SHARES_NETWORK = (
    "the endpoint is on this machine, so containers share its network (--network host; with Docker Desktop they ask "
    "host.docker.internal)"
)


def plan_contained(settings: Settings, job: Job) -> Plan:
    """Return everything that is written and started for one attempt.

    Raises:
        ConfigError: there is no image, or a path that Docker cannot take.
    """
    image = _image(job)
    check_paths(settings, job)
    check_mounted(settings.mounts, job.servers)
    extra = docker_arguments(settings.extra_docker_args)
    pulled = image_need(image, settings.pull)
    needs = [pulled]
    bindings = {USER_VARIABLE: Binding(need=pulled.key, output="user")}
    files = [*job.files, *job.contained.files]
    network, before, notes = network_of(extra), "", []
    if job.server is None and not network and is_loopback(job.endpoint.url or ""):
        before = loopback_text(job.endpoint.url or "")
        bindings[PLATFORM_VARIABLE] = Binding(need=pulled.key, output="platform")
        notes.append(_SHARES_NETWORK)
    if network and not has_names(network):
        check_ports(job.servers)
    for server in job.servers:
        makes_network = server is job.servers[0] and not before
        files += _server_files(settings, job, server, makes_network=makes_network)
        needs += [image_need(server.image or "", settings.pull), _server_need(settings, job, server)]
        bindings |= _server_bindings(server, makes_network=makes_network)
    start = container_text(_harness_container(settings, job, image, before))
    script = job_script(job, start=start, asks=_asks, ready_timeout_s=settings.endpoint_readiness_timeout)
    files += [
        PlannedFile(path=f"{job.folder}/run.sh", text=script, mode=0o755),
        PlannedFile(path=f"{job.folder}/{INSIDE_SCRIPT}", text=inside_script(job), mode=0o755),
    ]
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
        payload=_payload(settings, job, network or ("host" if before else "")),
        image=image,
        concurrency=settings.concurrency,
        grace_s=settings.kill_grace_s,
        results=job.contained.results,
        notes=tuple(notes),
    )


def _payload(settings: Settings, job: Job, network: str) -> dict[str, Any]:
    results = job.contained.results
    return {
        "withheld": list(job.secret_variables),
        "keep": settings.keep.value,
        "results": results.file if results else "",
        "network": network,
        "probe_url": _root(job.endpoint.url) if job.server is None else "",
    }


def _image(job: Job) -> str:
    if job.contained.image:
        return job.contained.image
    problem = f"'{job.task.name}' names no container image: give the task container: IMAGE, or pass --no-docker"
    raise ConfigError([f"{job.task.where or job.task.name}: {problem}"])


def _harness_container(settings: Settings, job: Job, image: str, before: str) -> Container:
    network = ['--network "$network"'] if before else []
    if not network_of(docker_arguments(settings.extra_docker_args)):
        if before:
            before = "\n".join([before, *map(address_text, job.servers)])
            network += [address_flag(server, _alias(server)) for server in job.servers]
        elif job.servers:
            network = [f'--network "${NETWORK_VARIABLE}"']
            before = "\n".join(connect_text(server, _alias(server)) for server in job.servers[1:])
    return Container(
        title="The container that runs it; what happens in it is in inside.sh.",
        name=f"{job.name}-{_readable(job.task.name)}",
        image=image,
        command=(f"{JOB_INSIDE}/{INSIDE_SCRIPT}",),
        keeps_entrypoint=job.contained.keeps_entrypoint,
        labels={"invocation": job.invocation, "job": job.id, "task": job.task.name, "role": "client"},
        binds=harness_binds(settings, job),
        log="logs/stdout.log",
        variables=(*job_variables(job), CONTAINER_VARIABLE, ATTEMPT_VARIABLE),
        settings={"EVALYARD_JOB_DIR": JOB_INSIDE, "EVALYARD_OUTPUT_DIR": INSIDE.artifacts},
        before=before,
        # By a process number of its own, every container would choose the same port.
        flags=(*_resources(settings), *network, '--env ADAPTER_PORT="$((10000 + $$ % 20000))"'),
        extra=docker_arguments(settings.extra_docker_args),
    )


def _server_files(settings: Settings, job: Job, server: Server, *, makes_network: bool) -> tuple[PlannedFile, ...]:
    text = container_text(_server_container(settings, job, server, makes_network=makes_network))
    script = server_script(server, job.invocation, host="0.0.0.0", start=text)  # noqa: S104 - in its container
    names = [server.variable(_CONTAINER), *([NETWORK_VARIABLE] if makes_network else [])]
    container = f"ey-{job.invocation}-{server.key}-by-hand-$$"
    before = "".join(f"{name}={container}\nexport {name}\n" for name in names)
    beside = with_server_script(server, host=_host(settings, server), before=before)
    inside = inside_server_script(server, job.invocation)
    return (
        PlannedFile(path=f"{server.folder}/run.sh", text=script, mode=0o755),
        PlannedFile(path=f"{server.folder}/{INSIDE_SCRIPT}", text=inside, mode=0o755),
        PlannedFile(path=f"{server.folder}/with_server.sh", text=beside, mode=0o755),
        *server.files,
    )


def _server_container(settings: Settings, job: Job, server: Server, *, makes_network: bool) -> Container:
    extra = docker_arguments(settings.extra_docker_args)
    wanted = network_of(extra)
    flags = list(_resources(settings))
    before = ""
    if not wanted and makes_network:
        before = network_text()
        flags.append(f'--network "${NETWORK_VARIABLE}"')
    if (not wanted and makes_network) or (wanted and has_names(wanted)):
        flags.append(f"--network-alias {_alias(server)}")
    elif not wanted:
        flags.append(f"--add-host {_alias(server)}:127.0.0.1")  # so that it can be asked for its health
    if settings.publish_port is not None and not server.name:
        flags.append(f'--publish "127.0.0.1:{settings.publish_port}:$PORT"')
    return Container(
        title="The container that serves; what happens in it is in inside.sh.",
        name=f"ey-{job.invocation}-{server.key}",
        name_variable=server.variable(_CONTAINER),
        image=server.image or "",
        command=(f"{JOB_INSIDE}/{INSIDE_SCRIPT}",),
        labels={"invocation": job.invocation, "role": "server", **({"server": server.name} if server.name else {})},
        binds=server_binds(settings, job, server),
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
        raise ConfigError([f"{server.section}.image: {problem}"])
    port = _port(server)
    return Need(
        key=server.key,
        kind=NeedKind.SERVER,
        directory=f"{job.run_dir}/{server.folder}",
        argv=("sh", "run.sh"),
        payload={
            "port": port,
            "base_url": f"http://{_host(settings, server)}:{port}",
            "section": server.section,
            "container_variable": server.variable(_CONTAINER),
            "grace_s": settings.kill_grace_s,
            "keep": settings.keep.value,
            "withheld": list(job.secret_variables),
        },
        health_path=server.health_path,
    )


def _server_bindings(server: Server, *, makes_network: bool) -> dict[str, Binding]:
    bindings = server_bindings(server) | {server.variable(_CONTAINER): Binding(need=server.key, output="container")}
    return bindings | ({NETWORK_VARIABLE: Binding(need=server.key, output="network")} if makes_network else {})


def _asks(server: Server) -> str:
    return f'docker exec "${server.variable(_CONTAINER)}"'


def _port(server: Server) -> int:
    return server.port or SERVER_PORT


def _alias(server: Server) -> str:
    return f"{MODEL_HOST}-{server_of(server.key)}" if server.name else MODEL_HOST


def _host(settings: Settings, server: Server) -> str:
    """Return by what name a harness's container reaches a model server."""
    network = network_of(docker_arguments(settings.extra_docker_args))
    return _alias(server) if not network or has_names(network) else "127.0.0.1"


def _resources(settings: Settings) -> tuple[str, ...]:
    given = {"--cpus": settings.cpus, "--memory": settings.memory, "--shm-size": settings.shm_size}
    return tuple(f"{flag} {value}" for flag, value in given.items() if value)


def _readable(task: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[:40].strip("-") or "task"


def _root(url: str | None) -> str:
    parts = urlsplit(url or "")
    return urlunsplit((parts.scheme, parts.netloc, "/", "", ""))

"""From a job to its plan in host mode: pure."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence

from evalyard import (
    Binding,
    ConfigError,
    Job,
    Mounts,
    Need,
    NeedKind,
    Plan,
    PlannedFile,
    Server,
    job_script,
    server_folder,
    server_script,
    with_server_script,
)
from evalyard_local.environments import BIN_OUTPUT, BIN_VARIABLE, environment_need, program_text
from evalyard_local.settings import Settings

FILES_NEED = "files"
HOST = "127.0.0.1"


def plan_job(settings: Settings, job: Job) -> Plan:
    """Return everything that is written and started for one attempt."""
    bindings: dict[str, Binding] = {}
    needs: list[Need] = []
    program = None
    if job.harness.program and job.harness.package:
        # Before a server: it shall not wait while a package is installed.
        environment = environment_need(job.harness.program, job.harness.package, os.environ)
        needs.append(environment)
        bindings[BIN_VARIABLE] = Binding(need=environment.key, output=BIN_OUTPUT)
        program = program_text(job.harness.script, environment)
    script = job_script(job, program=program, ready_timeout_s=settings.endpoint_readiness_timeout)
    files = [PlannedFile(path=f"{job.folder}/run.sh", text=script, mode=0o755), *job.files, *job.harness.files]
    check_ports(job.servers)
    check_mounted(settings.mounts, job.servers)
    for server in job.servers:
        files += _server_files(server, job.invocation)
        needs.append(_server_need(settings, job, server))
        bindings |= server_bindings(server)
    files_need = Need(key=FILES_NEED, kind=NeedKind.FILES, directory=job.run_dir, files=tuple(files))
    return Plan(
        job=job.id,
        task=job.task.name,
        attempt=job.attempt,
        name=job.name,
        mark=job.mark,
        directory=job.directory,
        argv=("sh", "run.sh"),
        environment={"EVALYARD_PYTHON": sys.executable},
        bindings=bindings,
        needs=(files_need, *needs),
        payload={"withheld": list(job.secret_variables)},
        concurrency=settings.concurrency,
        grace_s=settings.kill_grace_s,
        results=job.harness.results,
        notes=_notes(settings),
    )


def server_bindings(server: Server) -> dict[str, Binding]:
    """Return the variables by which the job script finds a model server, and what its handle says of each."""
    outputs = {"BASE_URL": "base_url", "SERVER_EXIT": "exit_file"}
    return {server.variable(what): Binding(need=server.key, output=output) for what, output in outputs.items()}


def check_ports(servers: Sequence[Server]) -> None:
    """Refuse servers that would listen at the same place. Raises ConfigError."""
    taken: dict[int, Server] = {}
    for server in (server for server in servers if server.port):
        other = taken.setdefault(server.port, server)
        if other is not server:
            raise ConfigError(
                [f"{server.section}.port: {server.port} is the port of {other.section} too"],
                hint="set one of them to another port, or to 0 for any free one",
            )


def auxiliary_mounts(mounts: Mounts, server: Server) -> Mapping[str, str]:
    """Return what the settings mount for a further server."""
    return next((given for name, given in mounts.auxiliary.items() if server_folder(name) == server.folder), {})


def check_mounted(mounts: Mounts, servers: Sequence[Server]) -> None:
    """Refuse mounts for a further server that there is none of. Raises ConfigError."""
    names = {server.folder: server.name for server in servers if server.name}
    unknown = [name for name in mounts.auxiliary if server_folder(name) not in names]
    if unknown:
        near = difflib.get_close_matches(unknown[0], names.values(), n=1)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        said = f"no auxiliary deployment that starts (type none does not) is called '{unknown[0]}'{meant}"
        raise ConfigError([f"execution.mounts.auxiliary: {said}"])


def _server_files(server: Server, invocation: str) -> tuple[PlannedFile, ...]:
    run = PlannedFile(path=f"{server.folder}/run.sh", text=server_script(server, invocation, host=HOST), mode=0o755)
    beside = PlannedFile(path=f"{server.folder}/with_server.sh", text=with_server_script(server), mode=0o755)
    return (run, beside, *server.files)


def _server_need(settings: Settings, job: Job, server: Server) -> Need:
    if server.image and not server.image_by_default:
        raise ConfigError(
            [f"{server.section}.image: '{server.image}' is a container, and execution.use_docker is false"],
            hint=f"leave the image out and give {server.section}.command, to serve as a host process",
        )
    return Need(
        key=server.key,
        kind=NeedKind.SERVER,
        directory=f"{job.run_dir}/{server.folder}",
        argv=("sh", "run.sh"),
        environment={"EVALYARD_PYTHON": sys.executable},
        payload={
            "section": server.section,
            "port": server.port,
            "grace_s": settings.kill_grace_s,
            "withheld": list(job.secret_variables),
        },
        health_path=server.health_path,
    )


def _notes(settings: Settings) -> tuple[str, ...]:
    if not settings.ignored:
        return ()
    return (f"without Docker these settings mean nothing: {', '.join(settings.ignored)}",)

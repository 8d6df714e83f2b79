"""From a job to its plan in host mode: pure."""

from __future__ import annotations

import os
import sys

from evalyard import (
    SERVER_FOLDER,
    Binding,
    ConfigError,
    Job,
    Need,
    NeedKind,
    Plan,
    PlannedFile,
    Server,
    job_script,
    server_script,
    with_server_script,
)
from evalyard_local.environments import BIN_OUTPUT, BIN_VARIABLE, environment_need, program_text
from evalyard_local.settings import Settings

FILES_NEED = "files"
SERVER_NEED = "server"
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
    if job.server is not None:
        files += _server_files(job.server, job.invocation)
        needs.append(_server_need(settings, job, job.server))
        bindings["EVALYARD_BASE_URL"] = Binding(need=SERVER_NEED, output="base_url")
        bindings["EVALYARD_SERVER_EXIT"] = Binding(need=SERVER_NEED, output="exit_file")
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


def _server_files(server: Server, invocation: str) -> tuple[PlannedFile, ...]:
    run = PlannedFile(path=f"{SERVER_FOLDER}/run.sh", text=server_script(server, invocation, host=HOST), mode=0o755)
    beside = PlannedFile(path=f"{SERVER_FOLDER}/with_server.sh", text=with_server_script(server), mode=0o755)
    return (run, beside, *server.files)


def _server_need(settings: Settings, job: Job, server: Server) -> Need:
    if server.image and not server.image_by_default:
        raise ConfigError(
            [f"deployment.image: '{server.image}' is a container, and execution.use_docker is false"],
            hint="leave the image out and give deployment.command, to serve as a host process",
        )
    return Need(
        key=SERVER_NEED,
        kind=NeedKind.SERVER,
        directory=f"{job.run_dir}/{SERVER_FOLDER}",
        argv=("sh", "run.sh"),
        environment={"EVALYARD_PYTHON": sys.executable},
        payload={
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

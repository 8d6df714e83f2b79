"""From a job to all that is sent for it: pure, so that `run --dry-run` shows it and tests need no backend."""

from __future__ import annotations

from evalyard import (
    Binding,
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

from evalyard_example.settings import ExecutionSettings

HOST = "127.0.0.1"
"""REPLACE: where model servers listen, as jobs reach them."""


def plan_job(settings: ExecutionSettings, job: Job) -> Plan:
    """Render one attempt."""
    script = job_script(job, ready_timeout_s=settings.endpoint_readiness_timeout)
    files = [PlannedFile(path=f"{job.folder}/run.sh", text=script, mode=0o755), *job.files, *job.harness.files]
    needs: list[Need] = []
    bindings: dict[str, Binding] = {}
    for server in job.servers:
        files += server_files(server, job.invocation)
        needs.append(server_need(server, job))
        # Known only once the server was made: core puts them into `environment` before `launch`.
        bindings[server.variable("BASE_URL")] = Binding(need=server.key, output="base_url")
        bindings[server.variable("SERVER_EXIT")] = Binding(need=server.key, output="exit_file")
    return Plan(
        job=job.id,
        task=job.task.name,
        attempt=job.attempt,
        name=job.name,
        mark=job.mark,
        directory=job.directory,
        argv=("sh", "run.sh"),  # REPLACE: ("submit", "--name", job.name, "run.sh")
        payload={"withheld": list(job.secret_variables)},
        bindings=bindings,
        needs=(Need(key="files", kind=NeedKind.FILES, directory=job.run_dir, files=tuple(files)), *needs),
        concurrency=settings.max_parallel,
        results=job.harness.results,
    )


def server_files(server: Server, invocation: str) -> tuple[PlannedFile, ...]:
    """Render the scripts of a model server: core's own, for a process of this machine."""
    run = PlannedFile(path=f"{server.folder}/run.sh", text=server_script(server, invocation, host=HOST), mode=0o755)
    beside = PlannedFile(path=f"{server.folder}/with_server.sh", text=with_server_script(server), mode=0o755)
    return (run, beside, *server.files)


def server_need(server: Server, job: Job) -> Need:
    """Render a model server that the jobs of a run share."""
    return Need(
        key=server.key,
        kind=NeedKind.SERVER,
        directory=f"{job.run_dir}/{server.folder}",
        argv=("sh", "run.sh"),
        payload={"port": server.port, "withheld": list(job.secret_variables)},
        health_path=server.health_path,
    )

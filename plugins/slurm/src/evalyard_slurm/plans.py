"""From a job to its plan: pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from evalyard import (
    INSIDE_SCRIPT,
    SERVER_FOLDER,
    ConfigError,
    Job,
    Mount,
    Plan,
    PlannedFile,
    Server,
    batch_plan,
    harness_mounts,
    inside_script,
    inside_server_script,
    job_script,
    job_variables,
    mounts_of,
    quote,
    server_mounts,
    server_step_script,
    server_variables,
)
from evalyard_slurm.batch_script import Batch, Serving, batch_script, step_script
from evalyard_slurm.runtimes import STEP, Container, container_text, refused_path
from evalyard_slurm.settings import ContainerRuntime, Settings

BATCH_SCRIPT = "job.sbatch"
SERVE_SCRIPT = "serve.sh"
STEP_SCRIPT = "step.sh"
_BY_HAND = """\
#!/bin/sh
# Where the scripts of other executors start a model server.
echo "the model of this run is served in a job of Slurm: submit job.sbatch, in the folder of a task" >&2
exit 64
"""
STEP_VARIABLES = ("ALL_NODE_IPS", "MASTER_IP", "NUM_NODES")
"""What a model server on several nodes knows of them, beside PROC_ID."""


def plan_job(settings: Settings, job: Job) -> Plan:
    """Return everything that is written and submitted for one attempt.

    Raises:
        ConfigError: there is no image, or a path that cannot be mounted.
    """
    contained = settings.container_runtime is not ContainerRuntime.NONE
    harness = job.contained if contained else job.harness
    ready_timeout_s = settings.endpoint_readiness_timeout or settings.walltime_s
    start = container_text(settings.container_runtime, _harness(settings, job)) if contained else None
    texts = {
        f"{job.folder}/run.sh": job_script(job, start=start, ready_timeout_s=ready_timeout_s),
        f"{job.folder}/{BATCH_SCRIPT}": batch_script(_batch(settings, job)),
    }
    if contained:
        texts[f"{job.folder}/{INSIDE_SCRIPT}"] = inside_script(job)
    server_files: tuple[PlannedFile, ...] = ()
    if job.server is not None:
        server_files = job.server.files
        texts |= _server_texts(settings, job, job.server)
    sources = _mount_sources(settings, job)
    name = job_name(settings, job)
    return batch_plan(
        settings,
        job,
        argv=("sbatch", "--parsable", f"--job-name={name}", BATCH_SCRIPT, str(job.attempt)),
        texts=texts,
        harness=harness,
        files=server_files,
        sources=sources,
        payload={
            "job_name": name,
            "mounts": [*sources, *_own_sources(job, contained=contained)],
            "runtime": settings.container_runtime.value,
            "images": _images(job) if contained else [],
            "programs": [] if contained else [name for name in (job.harness.program,) if name],
            "endpoint": _host_and_port(job.endpoint.url or "") if job.server is None else "",
            "flags": [f"{flag}={value}" if value else flag for flag, value in _options(settings, job).items()],
        },
        image=job.contained.image or "" if contained else "",
        notes=_notes(settings, job),
    )


def job_name(settings: Settings, job: Job) -> str:
    """Return what Slurm calls the job."""
    if not settings.subproject:
        return job.name
    return (
        f"{settings.account}-{settings.subproject}.{job.name}"
        if settings.account
        else (f"{settings.subproject}.{job.name}")
    )


def _batch(settings: Settings, job: Job) -> Batch:
    serving = None
    if job.server is not None:
        serving = Serving(command=_serve(settings, job), port=job.server.port, nodes=settings.num_nodes)
    return Batch(
        title=f"{job.task.name}, evalyard job {job.id}",
        directory=job.directory,
        options={"--job-name": job.task.name if job.task.name.isprintable() else job.folder, **_options(settings, job)},
        walltime=settings.walltime,
        walltime_s=settings.walltime_s,
        serving=serving,
        sees_gpus=settings.evaluation_gpu_visible,
        steps=settings.container_runtime is ContainerRuntime.PYXIS,
    )


def _options(settings: Settings, job: Job) -> dict[str, str]:
    """Return flags of sbatch: what the settings ask for, in the order of a script."""
    alone = job.server is None and settings.cpu_partition is not None
    given: dict[str, str | int | None] = {
        "--account": settings.account,
        "--partition": settings.cpu_partition if alone else settings.partition,
        "--time": settings.walltime,
        "--nodes": 1 if alone else settings.num_nodes,
        "--ntasks-per-node": settings.ntasks_per_node,
        "--gpus-per-node": None if alone else settings.gpus_per_node,
        "--gres": None if alone or settings.gpus_per_node is not None else settings.gres,
        "--comment": settings.sbatch_comment,
    }
    return {flag: str(value) for flag, value in given.items() if value is not None} | dict(settings.flags)


def _harness(settings: Settings, job: Job) -> Container:
    if not job.contained.image:
        raise ConfigError(
            [f"{job.task.where or job.task.name}: '{job.task.name}' names no container image"],
            hint="give the task container: IMAGE, or run without containers: -o execution.container_runtime=none",
        )
    output_dir = job.run_dir.rpartition("/")[0]
    mounts = (*harness_mounts(job), *mounts_of(settings.mounts.evaluation))
    _check(settings, mounts)
    return Container(
        image=job.contained.image,
        name=job.name,
        mounts=mounts,
        folders=tuple(f"{output_dir}/{name}".rstrip("/") for name in job.contained.lasting),
        variables=job_variables(job),
        keeps_entrypoint=job.contained.keeps_entrypoint,
        gpus=settings.evaluation_gpu_visible or job.server is None,
        home=settings.mounts.mount_home,
        limit_s=settings.walltime_s,
        steps=("--job-name=evaluation", "--nodes=1", "--ntasks=1", '--nodelist="$SLURMD_NODENAME"'),
    )


# --- the model server -----------------------------------------------------------------------------------------------


def _server_texts(settings: Settings, job: Job, server: Server) -> dict[str, str]:
    host = "127.0.0.1" if settings.num_nodes == 1 else "0.0.0.0"  # noqa: S104 - the servers of a job find each other
    here = f"{SERVER_FOLDER}/"
    shared = {f"{here}with_server.sh": _BY_HAND}
    if settings.container_runtime is not ContainerRuntime.PYXIS:
        shared[f"{here}{STEP_SCRIPT}"] = step_script()
    if settings.container_runtime is ContainerRuntime.NONE:
        if server.image and not server.image_by_default:
            raise ConfigError(
                [f"deployment.image: '{server.image}' is a container, and execution.container_runtime is none"],
                hint="leave the image out and give deployment.command, to serve as a process of the nodes",
            )
        return shared | {f"{here}{SERVE_SCRIPT}": server_step_script(server, job.invocation, host=host)}
    if not server.image:
        raise ConfigError(
            [f"deployment.image: type {server.recipe} needs an image, to serve in a container"],
            hint="set deployment.image, or run without containers: -o execution.container_runtime=none",
        )
    start = container_text(settings.container_runtime, _server_container(settings, job, server))
    return shared | {
        f"{here}{SERVE_SCRIPT}": server_step_script(server, job.invocation, host=host, start=start),
        f"{here}{INSIDE_SCRIPT}": inside_server_script(server, job.invocation),
    }


def _server_container(settings: Settings, job: Job, server: Server) -> Container:
    mounts = (*server_mounts(server, job.run_dir), *mounts_of(settings.mounts.deployment))
    _check(settings, mounts)
    return Container(
        image=server.image or "",
        name=f"ey-{job.invocation}-server",
        mounts=mounts,
        variables=(*server_variables(server), *STEP_VARIABLES),
        gpus=True,
        home=settings.mounts.mount_home,
        limit_s=settings.walltime_s,
        steps=_server_steps(settings),
    )


def _serve(settings: Settings, job: Job) -> str:
    folder = f"{job.run_dir}/{SERVER_FOLDER}"
    if settings.container_runtime is ContainerRuntime.PYXIS:
        return f'  sh {quote(f"{folder}/{SERVE_SCRIPT}")} >"$served/server.log" 2>&1'  # srun is in there
    flags = [*STEP, *_server_steps(settings), '--output="$served/server.log"']
    return " \\\n    ".join(["  srun", *flags, f"sh {quote(f'{folder}/{STEP_SCRIPT}')}"])


def _server_steps(settings: Settings) -> tuple[str, ...]:
    tasks = settings.deployment.n_tasks or settings.num_nodes
    spread = ("--ntasks-per-node=1",) if tasks == settings.num_nodes else ()
    several = ("--kill-on-bad-exit=1", "--wait=5", "--label") if tasks > 1 else ()
    return ("--job-name=server", f"--nodes={settings.num_nodes}", f"--ntasks={tasks}", *spread, *several)


# --- what the settings say of mounts --------------------------------------------------------------------------------


def _check(settings: Settings, mounts: tuple[Mount, ...]) -> None:
    relative = [path for mount in mounts for path in (mount.source, mount.target) if not path.startswith("/")]
    if relative:
        raise ConfigError([f"execution.mounts: '{relative[0]}' must be an absolute path"])
    bad = refused_path(settings.container_runtime, mounts)
    if bad:
        name = settings.container_runtime.value
        raise ConfigError([f"'{bad}': {name} cannot mount a path with a colon, a comma or a line break in it"])


def _mount_sources(settings: Settings, job: Job) -> list[str]:
    """Return what has to be on the cluster for every job: what the settings mount, the model's folders and image."""
    contained = settings.container_runtime is not ContainerRuntime.NONE
    found = [*settings.mounts.evaluation] if contained else []
    if job.server is not None:
        found += [mount.source for mount in job.server.mounts]
        found += [*settings.mounts.deployment, *_image_file(job.server.image)] if contained else []
    return list(dict.fromkeys(found))


def _image_file(image: str | None) -> list[str]:
    """Return an image that is a file of the cluster; none when a registry has it."""
    return [image] if image and image.startswith("/") else []


def _own_sources(job: Job, *, contained: bool) -> list[str]:
    """Return what has to be there for this job alone."""
    data = [job.task.dataset_dir] if job.task.dataset_dir else []
    return [*data, *(_image_file(job.contained.image) if contained else [])]


def _images(job: Job) -> list[str]:
    images = [job.contained.image, job.server.image if job.server is not None else None]
    return [image for image in images if image]


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}" if parts.hostname else ""


def _notes(settings: Settings, job: Job) -> tuple[str, ...]:
    notes = []
    if settings.ignored:
        notes.append(f"these settings mean nothing in this version: {', '.join(settings.ignored)}")
    mounts = settings.mounts
    if settings.container_runtime is ContainerRuntime.NONE:
        without = {
            "mounts.deployment": mounts.deployment,
            "mounts.evaluation": mounts.evaluation,
            "mounts.mount_home: false": not mounts.mount_home,
        }
        if given := [name for name, value in without.items() if value]:
            notes.append(f"without containers these settings mean nothing: {', '.join(given)}")
    if settings.container_runtime is ContainerRuntime.NONE and job.harness.program:
        notes.append(f"'{job.harness.program}' has to be on PATH where the job runs")
    return tuple(notes)

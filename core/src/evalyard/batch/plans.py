"""From a job to its plan: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from evalyard.batch.settings import BatchSettings
from evalyard.batch.system import BatchSystem
from evalyard.errors import ConfigError
from evalyard.harness.script import job_script
from evalyard.records.files import PlannedFile
from evalyard.records.jobs import Job
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.records.programs import Harness
from evalyard.secrets import quote
from evalyard.settings.resources import Walltime
from evalyard.settings.surroundings import Credentials, Network

FILES_NEED = "files"
SCRIPT = "job.sh"
LONGEST_FLUSH_S = 60


def plan_batch(
    settings: BatchSettings, system: BatchSystem, job: Job, header: Sequence[str] = (), options: Sequence[str] = ()
) -> Plan:
    """Return everything that is written and submitted for one attempt of a process of the nodes.

    Args:
        header: what the scheduler reads in the script, such as `-l h_rt=3600`.
        options: further words of the command that submits it.

    Raises:
        ConfigError: the run directory is no absolute path, or a model server is asked for.
    """
    if job.server is not None:
        raise ConfigError(
            [f"deployment: {system.title} jobs start no model server"], hint="give the endpoint of one that runs"
        )
    texts = {
        f"{job.folder}/run.sh": job_script(job),
        f"{job.folder}/{SCRIPT}": batch_script(settings, system, job, header),
    }
    program, *words = [_filled(word, job) for word in system.submit]
    needed = job.harness.program
    return batch_plan(
        settings,
        job,
        argv=(program, *options, *words),
        texts=texts,
        harness=job.harness,
        notes=(f"'{needed}' has to be on PATH where the job runs",) if needed else (),
    )


def batch_plan(
    settings: BatchSettings,
    job: Job,
    *,
    argv: Sequence[str],
    texts: Mapping[str, str],
    harness: Harness,
    files: Sequence[PlannedFile] = (),
    sources: Sequence[str] = (),
    payload: Mapping[str, Any] | None = None,
    image: str = "",
    notes: Sequence[str] = (),
) -> Plan:
    """Return the plan of a job that is submitted with an argument list in its task's folder.

    Args:
        texts: scripts of the run directory: path -> text.
        files: of the run directory too, beside the job's and the harness's own.
        sources: what has to be on the cluster before anything begins.
        payload: whatever else the executor wants to know of the plan.

    Raises:
        ConfigError: the run directory is no absolute path.
    """
    if not settings.output_dir.startswith("/"):
        raise ConfigError([f"execution.output_dir: '{settings.output_dir}' is not an absolute path of the cluster"])
    scripts = tuple(PlannedFile(path=path, text=text, mode=0o755) for path, text in texts.items())
    unread = ("username means nothing without hostname",) if settings.username and not settings.hostname else ()
    own = settings.secret_files(job) if isinstance(settings, Credentials) else job.files
    needed = Need(
        key=FILES_NEED,
        kind=NeedKind.FILES,
        directory=job.run_dir,
        files=(*scripts, *own, *harness.files, *files),
        payload={"mounts": list(sources)},
    )
    return Plan(
        job=job.id,
        task=job.task.name,
        attempt=job.attempt,
        name=job.name,
        mark=job.mark,
        directory=job.directory,
        argv=tuple(argv),
        needs=(needed,),
        payload={"output_dir": settings.output_dir, "mounts": list(sources), **(payload or {})},
        image=image,
        results=harness.results,
        notes=(*notes, *unread),
    )


def batch_script(settings: BatchSettings, system: BatchSystem, job: Job, header: Sequence[str]) -> str:
    """Return the script that the scheduler runs: what it reads itself, and how the job begins and ends."""
    walltime_s = settings.walltime_s if isinstance(settings, Walltime) else 0
    proxies = settings.proxies if isinstance(settings, Network) else {}
    credentials = settings.credentials if isinstance(settings, Credentials) else ()
    secrets = dict.fromkeys((*job.secret_variables, *credentials))
    lines = [
        "#!/bin/sh",
        *(f"{system.header} {line}" for line in header),
        f"# {' '.join(job.task.name.split())}, evalyard job {job.id}.",
        f"# Run it again by hand, as often as you like:  sh {SCRIPT}",
        "",
        f"directory={quote(job.directory)}",
        f'number="${{{system.number_variable}:-}}"   # what the scheduler calls this job',
        f"title={quote(system.title)}",
        f"walltime_s={walltime_s}   # 0 = there is no limit",
        f"flush_s={min(LONGEST_FLUSH_S, max(1, walltime_s // 10))}   # how long before it the harness is told",
        f"signals='{' '.join(system.signals)}'   # with which the scheduler asks for an end",
        f"export EVALYARD_GRACE_S={system.grace_s}",
        *(f"export {name}={quote(value)}" for name, value in proxies.items()),
        # Some schedulers hand on the environment of whoever submits.
        *([f"unset {' '.join(secrets)}   # see .secrets.env"] if secrets else []),
        "",
        _machinery(),
    ]
    return "\n".join(lines)


def _filled(word: str, job: Job) -> str:
    values = {"{name}": job.name, "{attempt}": str(job.attempt), "{script}": SCRIPT}
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


@cache
def _machinery() -> str:
    return files("evalyard.batch").joinpath("job.sh").read_text(encoding="utf-8")

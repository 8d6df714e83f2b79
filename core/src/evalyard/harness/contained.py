"""Harnesses and model servers in containers: the script that runs inside, whatever starts the container.

A container sees what it needs under fixed names (`evalyard.harness.places`), and gets its variables from whoever
starts it. Its image needs a POSIX shell and the command itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from evalyard.harness.places import HARNESS_INSIDE, INSIDE, JOB_INSIDE
from evalyard.harness.shell import machinery, program_functions
from evalyard.records.jobs import Job
from evalyard.records.programs import Mount, Server
from evalyard.secrets import SECRETS_FILE, quote

INSIDE_SCRIPT = "inside.sh"
"""What the script is called in the task's folder and in the deployment's."""


def inside_script(job: Job) -> str:
    """Return `inside.sh` of a task: its harness with secrets, pre_cmd and post_cmd around it."""
    folders = [INSIDE.artifacts, *(f"{INSIDE.output_dir}/{name}".rstrip("/") for name in job.contained.lasting)]
    functions = program_functions(job.contained.script, job.task.pre_cmd, job.task.post_cmd)
    return _script(f"{' '.join(job.task.name.split())}, evalyard job {job.id}", folders, functions)


def inside_server_script(server: Server, invocation: str) -> str:
    """Return `inside.sh` of a model server."""
    title = f"{server.title} of evalyard run {invocation} (recipe {server.recipe})"
    return _script(title, [INSIDE.artifacts], program_functions(server.script))


def harness_mounts(job: Job) -> tuple[Mount, ...]:
    """Return what the container of a task's harness sees of the machine, beside the folder for its artifacts.

    Whoever starts it first makes the folders of `job.contained.lasting`, below the run directory's parent.
    """
    harness, here = job.contained, f"{job.folder}/"
    own = [INSIDE_SCRIPT, *(file.path.removeprefix(here) for file in harness.files if file.path.startswith(here))]
    own += [SECRETS_FILE] if any(file.path == f"{here}{SECRETS_FILE}" for file in job.files) else []
    travelling = {file.path.split("/")[0] for file in harness.files if not file.path.startswith(here)}
    output_dir = job.run_dir.rpartition("/")[0]
    found = [Mount(source=f"{job.directory}/{name}", target=f"{JOB_INSIDE}/{name}", read_only=True) for name in own]
    found += [
        Mount(source=f"{job.run_dir}/{name}", target=HARNESS_INSIDE, read_only=True) for name in sorted(travelling)
    ]
    found += [
        Mount(source=f"{output_dir}/{name}".rstrip("/") or "/", target=f"{INSIDE.output_dir}/{name}".rstrip("/"))
        for name in harness.lasting
    ]
    if job.task.dataset_dir:
        found.append(Mount(source=job.task.dataset_dir, target=job.task.dataset_mount_path, read_only=True))
    return tuple(found)


def server_mounts(server: Server, run_dir: str) -> tuple[Mount, ...]:
    """Return what the container of a model server sees of the machine, beside the folder for what it writes."""
    here = f"{server.folder}/"
    own = {file.path.removeprefix(here).split("/")[0] for file in server.files if file.path.startswith(here)}
    own |= {INSIDE_SCRIPT} | ({SECRETS_FILE} if server.secrets else set())
    files = (
        Mount(source=f"{run_dir}/{here}{name}", target=f"{JOB_INSIDE}/{name}", read_only=True) for name in sorted(own)
    )
    return (*files, *server.mounts)


def _script(title: str, folders: Sequence[str], functions: Sequence[str]) -> str:
    lines = [
        "#!/bin/sh",
        f"# What runs in the container of {title}. run.sh starts it.",
        "set -u",
        "",
        f"folders={quote(' '.join(map(quote, folders)))}   # what is written here belongs to whoever has the folder",
        *functions,
    ]
    return "\n".join(lines) + "\n\n" + machinery("inside.sh")

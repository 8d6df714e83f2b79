"""Harnesses and model servers in containers: the script that runs inside, whatever starts the container.

A container sees what it needs under fixed names (`evalyard.harness.places`), and gets its variables from whoever
starts it. Its image needs a POSIX shell and the command itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from evalyard.harness.places import INSIDE
from evalyard.harness.script import machinery, program_functions
from evalyard.records import Job, Server
from evalyard.secrets import quote

INSIDE_SCRIPT = "inside.sh"
"""What the script is called in the task's folder and in the deployment's."""


def inside_script(job: Job) -> str:
    """Return `inside.sh` of a task: its harness with secrets, pre_cmd and post_cmd around it."""
    folders = [INSIDE.artifacts, *(f"{INSIDE.output_dir}/{name}".rstrip("/") for name in job.contained.lasting)]
    functions = program_functions(job.contained.script, job.task.pre_cmd, job.task.post_cmd)
    return _script(f"{' '.join(job.task.name.split())}, evalyard job {job.id}", folders, functions)


def inside_server_script(server: Server, invocation: str) -> str:
    """Return `inside.sh` of a model server."""
    title = f"the model server of evalyard run {invocation} (recipe {server.recipe})"
    return _script(title, [INSIDE.artifacts], program_functions(server.script))


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

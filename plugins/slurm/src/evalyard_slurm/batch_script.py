"""The texts that Slurm runs: pure, from records. A person can submit `job.sbatch` by hand, too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from attrs import field, frozen

from evalyard import quote

FLUSH_S = 60
"""How long before its walltime a job is told, so that its harness can flush."""


@frozen(kw_only=True)
class Serving:
    """The model server of a job."""

    command: str
    """Shell text that serves, and ends with the server; its output goes to `$served/server.log`."""
    port: int
    """0 = one that is free on the node, chosen by the job."""
    nodes: int


@frozen(kw_only=True)
class Batch:
    """All that a batch script says."""

    title: str
    directory: str
    """The task's folder."""
    options: Mapping[str, str] = field(factory=dict)
    """Flag of sbatch -> its value, empty for a flag alone."""
    walltime: str
    walltime_s: int
    serving: Serving | None = None
    sees_gpus: bool = True
    """Whether the evaluation does, beside a model server."""
    steps: bool = False
    """Whether the evaluation is a step of srun's, which ends at once when srun is told to."""


def batch_script(batch: Batch) -> str:
    """Return `job.sbatch`."""
    fixed = {
        "--chdir": batch.directory,
        "--output": "slurm-%j.log",
        "--open-mode": "append",
        "--export": "NONE",
        "--no-requeue": "",
        "--signal": f"B:USR1@{flush_s(batch.walltime_s)}",
    }
    lines = [
        "#!/bin/bash",
        *(
            f"#SBATCH {flag}{f'={_value(value)}' if value else ''}"
            for flag, value in {**batch.options, **fixed}.items()
        ),
        f"# {' '.join(batch.title.split())}. Again by hand, as often as you like:  sbatch job.sbatch",
        "",
        f"directory={quote(batch.directory)}",
        f"walltime={quote(batch.walltime)}",
        f"steps={'yes' if batch.steps else ''}   # whether the evaluation is a step of srun's",
        *_serving(batch),
        "",
        _machinery(),
    ]
    return "\n".join(lines)


@cache
def step_script() -> str:
    """Return `deployment/step.sh`: a task of the model server's step, which runs `serve.sh` beside it."""
    return files("evalyard_slurm").joinpath("step.sh").read_text(encoding="utf-8")


def flush_s(walltime_s: int) -> int:
    """Return how many seconds before its end a job of this walltime is told."""
    return min(FLUSH_S, max(1, walltime_s // 10))


def _serving(batch: Batch) -> list[str]:
    serving = batch.serving
    if serving is None:
        return ["port=   # the model server's; empty = the endpoint is there already"]
    return [
        f"port={serving.port}   # the model server's; 0 = any free one",
        f"gpus={'yes' if batch.sees_gpus else ''}   # whether the evaluation sees them too",
        "",
        "# Serves the model, and ends with it.",
        "serve() {",
        serving.command,
        "}",
    ]


def _value(text: str) -> str:
    # Slurm reads these lines itself: nothing but quotes and backslashes means anything.
    if re.fullmatch(r"[A-Za-z0-9_./:%@,=+-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@cache
def _machinery() -> str:
    return files("evalyard_slurm").joinpath("job.sh").read_text(encoding="utf-8")

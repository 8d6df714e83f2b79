"""Texts that are compared as a whole with files in `golden/`.

After a change that is meant:  python -m tests.plugins.slurm.goldens  writes them anew; read what git says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalyard import Job, Plan
from evalyard_slurm.plans import plan_job
from evalyard_slurm.settings import ContainerRuntime, Mounts, Served, Settings
from tests.plugins.slurm.jobs import make_job, served_job

FOLDER = Path(__file__).parent / "golden"
MACHINERY = "# From here on: the same for every job."
HARNESS_ENDS = "END_OF_PROGRAM"


def settings(**more: Any) -> Settings:
    """Return settings with the folder that jobs of `jobs.py` lie in."""
    return Settings(output_dir="/shared/out", **more)


def text_of(plan: Plan, path: str) -> str:
    """Return the text of a planned file."""
    (file,) = [file for need in plan.needs for file in need.files if file.path == path]
    return file.text


def _batch(given: Settings, job: Job, *, whole: bool = False) -> str:
    text = text_of(plan_job(given, job), "smoke/job.sbatch")
    return text if whole else text.partition(f"# {'-' * 117}\n{MACHINERY}")[0]


def _started(given: Settings, job: Job, path: str = "smoke/run.sh") -> str:
    """Return what a script starts, without core's machinery around it."""
    text = text_of(plan_job(given, job), path)
    return text.partition(f"cat <<'{HARNESS_ENDS}'\n")[2].partition(f"\n{HARNESS_ENDS}\n")[0] + "\n"


EVERYTHING = settings(
    hostname="login",
    account="nvr it's",
    partition="long",
    walltime="1-12:00:00",
    num_nodes=2,
    ntasks_per_node=4,
    gpus_per_node=8,
    subproject="evals",
    sbatch_comment="a comment",
    sbatch_extra_flags={"exclusive": True, "qos": "high", "mem": 0, "requeued": False},
    deployment=Served(n_tasks=4),
    mounts=Mounts(deployment={"/data": "/data:ro"}, evaluation={"/set s": "/sets"}, mount_home=False),
    evaluation_gpu_visible=True,
)
PODMAN = settings(container_runtime=ContainerRuntime.PODMAN, mounts=Mounts(evaluation={"/sets": "/sets:ro"}))
APPTAINER = settings(container_runtime=ContainerRuntime.APPTAINER)
PYXIS = settings()
HOST = settings(container_runtime=ContainerRuntime.NONE, gres=None, sbatch_extra_flags={}, partition=None)

GOLDEN: Mapping[str, Callable[[], str]] = {
    "host.sbatch": lambda: _batch(HOST, make_job(), whole=True),
    "host_served.sbatch": lambda: _batch(HOST, served_job(image=None, port=0)),
    "everything_served.sbatch": lambda: _batch(EVERYTHING, served_job()),
    "podman_served.sbatch": lambda: _batch(PODMAN, served_job()),
    "podman_client.sh": lambda: _started(PODMAN, make_job()),
    "podman_server.sh": lambda: _started(PODMAN, served_job(), "deployment/serve.sh"),
    "pyxis_client.sh": lambda: _started(PYXIS, make_job()),
    "pyxis_client_served.sh": lambda: _started(PYXIS, served_job()),
    "pyxis_server.sh": lambda: _started(EVERYTHING, served_job(), "deployment/serve.sh"),
    "apptainer_client.sh": lambda: _started(APPTAINER, make_job()),
    "apptainer_server.sh": lambda: _started(APPTAINER, served_job(), "deployment/serve.sh"),
    "serve.sh": lambda: text_of(plan_job(HOST, served_job(image=None, port=0)), "deployment/serve.sh"),
}

if __name__ == "__main__":
    for _name, _text in GOLDEN.items():
        (FOLDER / _name).write_text(_text(), encoding="utf-8")

"""The `execution:` section of `type: slurm`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen, validators

from evalyard import BatchSettings, Mounts as AllMounts, Walltime, is_line, is_walltime, is_word


class ContainerRuntime(StrEnum):
    """What runs images on the nodes."""

    PYXIS = "pyxis"
    """`srun --container-image`, by the plugin pyxis with enroot."""
    PODMAN = "podman"
    APPTAINER = "apptainer"
    NONE = "none"
    """Harnesses and model servers are processes of the nodes."""


@frozen(kw_only=True)
class Mounts(AllMounts):
    """Folders of the cluster that containers see."""

    mount_home: bool = True
    """Whether containers see your home folder."""


@frozen(kw_only=True)
class Served:
    """How the model server is started in the job."""

    n_tasks: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """How many times, over all nodes; null = once on each."""


OURS = {
    "job-name": "the name is how evalyard finds the job again",
    "output": "it is where evalyard looks for it",
    "error": "it is where evalyard looks for it",
    "array": "one job is one evaluation",
    "requeue": "an evaluation that began again by itself would overwrite its own results",
    "export": "the caller's environment must not reach the job",
    "chdir": "the script begins in the task's folder",
    "signal": "it is how the harness learns that its time is over",
    "parsable": "it is set",
    "wait": "evalyard watches the job itself",
    "test-only": "it would submit nothing",
    "wrap": "there is a script",
    "clusters": "evalyard watches one cluster; set execution.hostname to a login node of the other",
    "time": "set execution.walltime",
    "nodes": "set execution.num_nodes",
    "account": "set execution.account",
    "partition": "set execution.partition",
}
"""Flags of sbatch that are refused, and why."""


def _flags(_settings: object, _attribute: object, value: Mapping[str, Any]) -> None:
    for name, given in value.items():
        flag = name.removeprefix("--").replace("_", "-")
        if flag in OURS:
            raise ValueError(f"{name} is not yours to set: {OURS[flag]}")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", flag):
            raise ValueError(f"'{name}' is no flag of sbatch; write it in full and without dashes, as in qos: high")
        if isinstance(given, (dict, list, tuple)) or not str(given).isprintable():
            raise ValueError(f"the value of {name} has to be one line of text, a number, true or false")


@frozen(kw_only=True)
class Settings(BatchSettings, Walltime):
    """How evaluations run on a Slurm cluster."""

    executor = "slurm"

    account: str | None = field(default=None, validator=is_line)
    """Who pays; null = your default account."""
    partition: str | None = field(default="batch", validator=is_line)
    """Where jobs run; null = the cluster's default partition."""
    cpu_partition: str | None = field(default=None, validator=is_line)
    """Where jobs run that serve no model; null = `partition`. They ask for no GPUs then."""
    max_walltime: str | None = field(default="120:00:00", validator=is_walltime)
    """For jobs that go on in another one, which this version does not make."""
    num_nodes: int = field(default=1, validator=validators.ge(1))
    """How many nodes a job has."""
    num_instances: int = field(default=1, validator=validators.ge(1))
    """How many model servers stand for one; only 1 in this version."""
    ntasks_per_node: int = field(default=1, validator=validators.ge(1))
    """How many tasks Slurm plans for on each node."""
    gres: str | None = field(default="gpu:8", validator=is_line)
    """What each node must have; null = nothing."""
    gpus_per_node: int | None = field(default=None, validator=validators.optional(validators.ge(0)))
    """How many GPUs of each node; in place of `gres`."""
    subproject: str | None = field(default=None, validator=is_word)
    """Jobs are then called `<account>-<subproject>.<name>`, as some clusters ask for."""
    sbatch_comment: str | None = field(default=None, validator=is_line)
    """A comment that Slurm keeps with the job."""
    sbatch_extra_flags: Mapping[str, Any] = field(factory=lambda: {"exclusive": True}, validator=_flags)
    """Further flags of sbatch, without dashes: `true` = the flag alone, `false` or null = left out."""
    container_runtime: ContainerRuntime = ContainerRuntime.PYXIS
    """What runs images on the nodes: `pyxis`, `podman`, `apptainer`, or `none` for processes of the nodes."""
    mounts: Mounts = field(factory=Mounts)
    """Folders of the cluster that containers see."""
    deployment: Served = field(factory=Served)
    """How the model server is started in the job."""
    endpoint_readiness_timeout: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Seconds that an evaluation waits for the model server beside it; null = as long as the job has."""
    proxy: Mapping[str, Any] | None = None
    """For several model servers behind one address, which this version does not start."""
    evaluation_gpu_visible: bool = False
    """Whether the evaluation sees the GPUs too, beside a model server."""

    def __attrs_post_init__(self) -> None:
        if self.num_instances != 1:
            raise ValueError("num_instances: this version starts one model server for a job")

    @property
    def flags(self) -> Mapping[str, str]:
        """`sbatch_extra_flags` as they are written: flag -> value, empty for a flag alone."""
        return {
            f"--{name.removeprefix('--').replace('_', '-')}": "" if value is True else str(value)
            for name, value in self.sbatch_extra_flags.items()
            if value is not None and value is not False
        }

    @property
    def ignored(self) -> tuple[str, ...]:
        """Settings that are given and mean nothing in this version."""
        given = {
            "max_walltime": self.max_walltime not in (None, "120:00:00"),
            "mounts.auxiliary": self.mounts.auxiliary,
            "proxy": self.proxy,
        }
        return tuple(name for name, value in given.items() if value)

"""The `execution:` section of `type: local`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen, validators

from evalyard import Connection


class Mode(StrEnum):
    """Whether jobs run beside or after each other."""

    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


@frozen(kw_only=True)
class Mounts:
    """Folders of this machine that containers see."""

    deployment: Mapping[str, str] = field(factory=dict)
    """Host path -> path in the model server's container."""
    evaluation: Mapping[str, str] = field(factory=dict)
    """Host path -> path in the harness's container."""


def _cpus() -> int:
    return os.cpu_count() or 1


def _host_processes_only(_settings: object, _attribute: object, value: bool) -> None:
    if value:
        raise ValueError(
            "containers are not in this version of evalyard-local: set execution.use_docker: false, or pass --no-docker"
        )


@frozen(kw_only=True)
class Settings:
    """How evaluations run on this machine."""

    output_dir: str
    """Where run directories are made; relative to the folder in which `run` is called."""
    mode: Mode = Mode.PARALLEL
    """`parallel`: up to max_parallel jobs at once; `sequential`: one after the other, whatever becomes of each."""
    max_parallel: int = field(factory=_cpus, validator=validators.ge(1))
    """How many jobs run at once in mode parallel; the default is the number of CPUs."""
    use_docker: bool = field(default=True, validator=_host_processes_only)
    """False: harnesses and model servers run as processes of this machine (also `--no-docker`)."""
    extra_docker_args: str | tuple[str, ...] = ""
    """Flags for `docker run`; ignored with `use_docker: false`."""
    pull: str = "missing"
    """When images are pulled; ignored with `use_docker: false`."""
    mounts: Mounts = field(factory=Mounts)
    """Ignored with `use_docker: false`: processes see the machine's own folders."""
    kill_grace_s: float = field(default=10.0, validator=validators.ge(0))
    """Seconds between SIGTERM and SIGKILL when a job is cancelled or a server released."""
    endpoint_readiness_timeout: int = field(default=600, validator=validators.ge(1))
    """Seconds that a job waits for the model server beside it."""

    def connection(self) -> Connection:
        """Where the backend is: here."""
        return Connection(executor="local")

    @property
    def concurrency(self) -> int:
        """At most this many jobs at once."""
        return 1 if self.mode is Mode.SEQUENTIAL else self.max_parallel

    @property
    def ignored(self) -> tuple[str, ...]:
        """Settings that are given and mean nothing without Docker."""
        given = {
            "extra_docker_args": self.extra_docker_args,
            "mounts": self.mounts.deployment or self.mounts.evaluation,
            "pull": self.pull != "missing",
        }
        return tuple(name for name, value in given.items() if value)

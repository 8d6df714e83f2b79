"""The `execution:` section of `type: local`."""

from __future__ import annotations

import os
from enum import StrEnum

from attrs import field, frozen, validators

from evalyard import Compute, Connection, Mounts, is_size
from evalyard_local.docker.arguments import docker_arguments


class Mode(StrEnum):
    """Whether jobs run beside or after each other."""

    PARALLEL = "parallel"
    SEQUENTIAL = "sequential"


class Pull(StrEnum):
    """When an image is pulled."""

    MISSING = "missing"
    """When it is not on this machine."""
    ALWAYS = "always"
    """Before every run: a tag may have moved."""
    NEVER = "never"
    """It has to be on this machine."""


class Keep(StrEnum):
    """Which ended containers stay, to be looked at with `docker inspect` and `docker logs`."""

    FAILED = "failed"
    """Those of jobs that did not succeed."""
    ALL = "all"
    NONE = "none"


def _cpus() -> int:
    return os.cpu_count() or 1


def _arguments(_settings: object, _attribute: object, value: str | tuple[str, ...]) -> None:
    docker_arguments(value)


@frozen(kw_only=True)
class Settings(Compute):
    """How evaluations run on this machine."""

    output_dir: str
    """Where run directories are made; relative to the folder in which `run` is called."""
    mode: Mode = Mode.PARALLEL
    """`parallel`: up to max_parallel jobs at once; `sequential`: one after the other, whatever becomes of each."""
    max_parallel: int = field(factory=_cpus, validator=validators.ge(1))
    """How many jobs run at once in mode parallel; the default is the number of CPUs."""
    use_docker: bool = True
    """False: harnesses and model servers run as processes of this machine (also `--no-docker`), and the settings that
    are for containers mean nothing."""
    extra_docker_args: str | tuple[str, ...] = field(default="", validator=_arguments)
    """Flags for `docker run`, passed on as they are: a text that is split as a shell would, or a list."""
    pull: Pull = Pull.MISSING
    """When images are pulled: `missing`, `always`, `never`."""
    mounts: Mounts = field(factory=Mounts)
    """Folders of this machine that containers see."""
    keep: Keep = Keep.FAILED
    """Which ended containers stay: `failed`, `all`, `none`."""
    shm_size: str = field(default="", validator=is_size)
    """The size of a container's /dev/shm, as in `16g`; Docker's own default is 64m."""
    gpus: str = "auto"
    """What a model server's container gets, as for `docker run --gpus`: `all`, `2`, `device=0,1`; `auto` = all where
    there are any, `none`."""
    publish_port: int | None = field(default=None, validator=validators.optional(validators.in_(range(1, 65536))))
    """A port of this machine, at 127.0.0.1, under which the model server in its container can be reached too."""
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
            "mounts": self.mounts.deployment or self.mounts.evaluation or self.mounts.auxiliary,
            "pull": self.pull is not Pull.MISSING,
            "keep": self.keep is not Keep.FAILED,
            "cpus": self.cpus,
            "memory": self.memory,
            "shm_size": self.shm_size,
            "gpus": self.gpus != "auto",
            "publish_port": self.publish_port,
        }
        return tuple(name for name, value in given.items() if value)

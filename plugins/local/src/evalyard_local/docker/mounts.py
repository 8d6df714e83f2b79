"""What containers see of this machine: pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from evalyard import (
    HARNESS_INSIDE,
    INSIDE,
    JOB_INSIDE,
    ConfigError,
    Job,
    Mount,
    Server,
    harness_mounts,
    mounts_of,
    server_mounts,
)
from evalyard_local.docker.script import Bind, refused_path
from evalyard_local.plans import auxiliary_mounts
from evalyard_local.settings import Settings

_OWN = (JOB_INSIDE, HARNESS_INSIDE, INSIDE.output_dir)
"""Where a container sees what lies in the run directory, or beside it."""


def harness_binds(settings: Settings, job: Job) -> tuple[Bind, ...]:
    """Return what the container of a task's harness sees, save for its log."""
    return _binds(job.directory, harness_mounts(job), mounts_of(settings.mounts.evaluation))


def server_binds(settings: Settings, job: Job, server: Server) -> tuple[Bind, ...]:
    """Return what the container of a model server sees, save for its log."""
    mounts = settings.mounts
    given = auxiliary_mounts(mounts, server) if server.name else mounts.deployment
    return _binds(f"{job.run_dir}/{server.folder}", server_mounts(server, job.run_dir), mounts_of(given))


def check_paths(settings: Settings, job: Job) -> None:
    """Refuse paths that cannot be mounted. Raises ConfigError."""
    given = [settings.mounts.deployment, settings.mounts.evaluation, *settings.mounts.auxiliary.values()]
    mounts = [path for folders in given for path in folders.items()]
    relative = [source for source, _ in mounts if not source.startswith("/")]
    if relative:
        raise ConfigError([f"execution.mounts: '{relative[0]}' must be an absolute path of this machine"])
    relative = [target for _, target in mounts if not target.startswith("/")]
    if relative:
        raise ConfigError([f"execution.mounts: '{relative[0]}' must be an absolute path in the container"])
    asked = [job.task.dataset_dir or "", job.task.dataset_mount_path]
    asked += [path for one in job.servers for mount in one.mounts for path in (mount.source, mount.target)]
    bad = refused_path([job.run_dir, *(path for pair in mounts for path in pair), *asked])
    if bad:
        raise ConfigError([f"'{bad}': Docker cannot mount a path with a comma, a quote or a line break in it"])


def _binds(here: str, ours: Iterable[Mount], users: Iterable[Mount]) -> tuple[Bind, ...]:
    found = [Bind(source="artifacts", target=INSIDE.artifacts)]
    for mount in ours:
        own = mount.target.startswith(_OWN)
        # By its way from here, so that a run directory that was moved still works by hand.
        source = posixpath.relpath(mount.source, here) if own else mount.source
        make = own and not mount.read_only  # what lasts may not be there yet
        found.append(Bind(source=source, target=mount.target, read_only=mount.read_only, make=make))
    return (*found, *(Bind(source=mount.source, target=mount.target, read_only=mount.read_only) for mount in users))

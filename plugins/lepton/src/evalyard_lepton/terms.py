"""What containers are given, in the service's own words: the same in `execution` and in `deployment.lepton_config`.

Every key is typed here, for the service itself ignores what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import Attribute, field, frozen, validators

_VARIABLE = re.compile(r"[A-Za-z._-][A-Za-z0-9._-]*")
_RESERVED = frozenset(
    {"LEPTON_WORKSPACE_ID", "LEPTON_DEPLOYMENT_NAME", "LEPTON_JOB_NAME", "LEPTON_RESOURCE_ACCELERATOR_TYPE"}
    | {"LEPTON_WORKSPACE_ORIGIN_URL"}
)


@frozen(kw_only=True)
class SecretName:
    """A secret of the workspace."""

    secret_name_ref: str


@frozen(kw_only=True)
class FromWorkspace:
    """A variable whose value the workspace has."""

    value_from: SecretName


@frozen(kw_only=True)
class MountOptions:
    """How storage is mounted."""

    local_cache_size_mib: int | None = None
    read_only: bool | None = None


def _absolute(_mount: object, attribute: Attribute[str], value: str) -> None:
    if not value.startswith("/"):
        raise ValueError(f"'{value}' is no absolute path for {attribute.name}")


@frozen(kw_only=True)
class Mount:
    """Storage of the node group, seen in a container."""

    from_: str
    """Which storage, such as `node-nfs:NAME`."""
    path: str = field(default="/", validator=_absolute)
    """The folder in that storage."""
    mount_path: str = field(validator=_absolute)
    """Where a container sees it."""
    mount_options: MountOptions | None = None

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written to it."""
        return bool(self.mount_options and self.mount_options.read_only)


@frozen(kw_only=True)
class Readiness:
    """When the service calls a replica ready."""

    require_approval: bool | None = None


@frozen(kw_only=True)
class TcpCheck:
    """A port that is asked for."""

    port: int


@frozen(kw_only=True)
class Liveness:
    """When the service restarts a replica."""

    initial_delay_seconds: int | None = None
    tcp: TcpCheck | None = None


@frozen(kw_only=True)
class Health:
    """How the service looks after a replica's health."""

    readiness: Readiness | None = None
    liveness: Liveness | None = None


@frozen(kw_only=True)
class Log:
    """What the service keeps of logs."""

    enable_collection: bool | None = None
    save_termination_logs: bool | None = None


@frozen(kw_only=True)
class Metrics:
    """What the service measures."""

    disable_pulling_from_replica: bool | None = None


@frozen(kw_only=True)
class RoutingPolicy:
    """How requests find a replica."""

    enable_header_based_replica_routing: bool | None = None


@frozen(kw_only=True)
class Queue:
    """Who goes first when there is no room."""

    priority_class: str | None = None
    can_be_preempted: bool | None = None
    can_preempt: bool | None = None


@frozen(kw_only=True)
class SecurityContext:
    """As whom a container runs."""

    no_specific_user: bool | None = None
    privileged: bool | None = None


@frozen(kw_only=True)
class ScaleDown:
    """When an endpoint is given fewer replicas."""

    no_traffic_timeout: int | None = field(default=None, validator=validators.optional(validators.ge(0)))
    """Seconds."""
    not_ready_timeout: int | None = field(default=None, validator=validators.optional(validators.ge(0)))
    """Seconds."""


@frozen(kw_only=True)
class Throughput:
    """The traffic that one replica is meant for."""

    qpm: float | None = None
    paths: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None


@frozen(kw_only=True)
class AutoScaler:
    """When an endpoint is given more or fewer replicas."""

    scale_down: ScaleDown | None = None
    target_gpu_utilization_percentage: int | None = None
    target_throughput: Throughput | None = None


Variables = Mapping[str, str | FromWorkspace]


def known_variables(_section: object, _attribute: object, value: Variables) -> None:
    """Refuse names that the service would not take. Raises ValueError."""
    for name in value:
        if not _VARIABLE.fullmatch(name) or name in _RESERVED:
            raise ValueError(f"'{name}' cannot be a variable's name on Lepton")

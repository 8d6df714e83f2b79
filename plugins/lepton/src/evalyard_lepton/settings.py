"""The `execution:` section of `type: lepton`, and `deployment.lepton_config`.

Every key is typed here, for the service itself ignores what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import Attribute, field, frozen, validators

from evalyard import Connection
from evalyard_lepton.workspaces import current_workspace

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


def _variables(_section: object, _attribute: object, value: Variables) -> None:
    for name in value:
        if not _VARIABLE.fullmatch(name) or name in _RESERVED:
            raise ValueError(f"'{name}' cannot be a variable's name on Lepton")


@frozen(kw_only=True)
class PlatformDefaults:
    """What the endpoint is told unless `deployment.lepton_config` says otherwise."""

    health: Health | None = None
    log: Log | None = None
    metrics: Metrics | None = None
    routing_policy: RoutingPolicy | None = None
    queue_config: Queue | None = None
    user_security_context: SecurityContext | None = None
    image_pull_secrets: tuple[str, ...] = ()
    enable_rdma: bool | None = None
    """The service has no such field; read so that existing files load."""


@frozen(kw_only=True)
class DeploymentPlatform:
    """Where and how the model server runs."""

    node_group: str = ""
    """Its name or id; empty = wherever the workspace allows."""
    endpoint_readiness_timeout: int = field(default=1200, validator=validators.ge(1))
    """Seconds that jobs wait for the model server."""
    platform_defaults: PlatformDefaults = field(factory=PlatformDefaults)


@frozen(kw_only=True)
class TaskPlatform:
    """Where and how tasks run."""

    node_group: str = ""
    """Its name or id; empty = wherever the workspace allows."""
    env_vars: Variables = field(factory=dict, validator=_variables)
    """Variables of every task's container."""
    mounts: tuple[Mount, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    """Names of the workspace's secrets for registries."""
    queue_config: Queue | None = None
    user_security_context: SecurityContext | None = None


@frozen(kw_only=True)
class Platform:
    """What the workspace is told."""

    deployment: DeploymentPlatform = field(factory=DeploymentPlatform)
    tasks: TaskPlatform = field(factory=TaskPlatform)


@frozen(kw_only=True)
class EvaluationTasks:
    """What every task gets."""

    resource_shape: str = "cpu.small"
    timeout: int = field(default=3600, validator=validators.ge(0))
    """Seconds after which a task is ended; 0 = never."""
    use_shared_storage: bool = True
    """Whether run directories are in the first mount that can be written, if there is one."""


@frozen(kw_only=True)
class Settings:
    """How evaluations run on DGX Cloud Lepton."""

    output_dir: str
    """Where run directories are made on this machine; results come there."""
    workspace: str = ""
    """Its id; by default LEPTON_WORKSPACE_ID, else the one that `lep login` chose."""
    workspace_url: str = ""
    """The API's address, where it is not the service's own; by default LEPTON_WORKSPACE_URL."""
    evaluation_tasks: EvaluationTasks = field(factory=EvaluationTasks)
    lepton_platform: Platform = field(factory=Platform)
    share_endpoint: bool = True
    """Whether all tasks of a run ask one endpoint, rather than each one of its own."""
    keep_endpoint: bool = False
    """Whether the endpoint stays after the run; then somebody has to remove it."""
    idle_timeout_s: int = field(default=3600, validator=validators.ge(0))
    """Seconds without traffic after which the service itself takes the endpoint's machines away; 0 = never."""
    max_lifetime_s: int = field(default=0, validator=validators.ge(0))
    """Seconds after which the endpoint is released whatever asks it; 0 = never."""
    max_parallel: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """How many jobs run at once; null = the service queues."""
    keep_jobs_s: int = field(default=259200, validator=validators.ge(600))
    """Seconds after its end until the service archives a job."""
    archive_limit_mb: float = field(default=8.0, validator=validators.gt(0))
    """How large a task's packed results may be to come home through the log."""
    kill_grace_s: float = field(default=10.0, validator=validators.ge(0))
    """Seconds between SIGTERM and SIGKILL when a task's time is up."""
    env_var_names: tuple[str, ...] = ()
    """Meant nothing in the existing launcher, and means nothing here."""

    def connection(self) -> Connection:
        """Which workspace, and where its API is."""
        return Connection(executor="lepton", address=current_workspace(self.workspace, self.workspace_url))


@frozen(kw_only=True)
class ModelMount:
    """Storage of the node group with models in it."""

    enabled: bool = False
    from_: str = ""
    """Which storage, such as `node-nfs:NAME`."""
    cache_path: str = ""
    """The folder in that storage; `{{MODEL_CACHE_NAME}}` stands for the model's name, with `-` for other signs."""
    mount_path: str = ""
    """Where the server sees it."""

    def __attrs_post_init__(self) -> None:
        if self.enabled and not (self.from_ and self.cache_path and self.mount_path):
            raise ValueError("enabled: true needs from, cache_path and mount_path as well")


@frozen(kw_only=True)
class ServerSettings:
    """`deployment.lepton_config`: what Lepton is told of the model server."""

    resource_shape: str
    min_replicas: int = field(default=1, validator=validators.ge(1))
    max_replicas: int = field(default=1, validator=validators.ge(1))
    auto_scaler: AutoScaler = field(factory=AutoScaler)
    health: Health | None = None
    envs: Variables = field(factory=dict, validator=_variables)
    mounts: ModelMount | tuple[Mount, ...] = ()
    api_tokens: tuple[Mapping[str, Any], ...] = ()
    """Keys of the endpoint, as the service takes them; by default it gets one random key."""
    api_token: str = ""
    """One key, as it is."""
    image_pull_secrets: tuple[str, ...] = ()
    queue_config: Queue | None = None

    def __attrs_post_init__(self) -> None:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas ({self.max_replicas}) is less than min_replicas ({self.min_replicas})")

"""The `execution:` section of `type: lepton`."""

from __future__ import annotations

from attrs import field, frozen, validators

from evalyard import Connection
from evalyard_lepton.terms import (
    Health,
    Log,
    Metrics,
    Mount,
    Queue,
    RoutingPolicy,
    SecurityContext,
    Variables,
    known_variables,
)
from evalyard_lepton.workspaces import current_workspace


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
    env_vars: Variables = field(factory=dict, validator=known_variables)
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
    poll_interval_s: float = field(default=5.0, validator=validators.ge(0))
    """Seconds between two questions about a run, at least: the service promises nothing to programs that ask often."""
    kill_grace_s: float = field(default=10.0, validator=validators.ge(0))
    """Seconds between SIGTERM and SIGKILL when a task's time is up."""
    env_var_names: tuple[str, ...] = ()
    """Means nothing; read so that existing files load."""

    def connection(self) -> Connection:
        """Which workspace, and where its API is."""
        address = current_workspace(self.workspace, self.workspace_url)
        return Connection(executor="lepton", address=address, poll_interval_s=self.poll_interval_s)

"""`deployment.lepton_config`: what Lepton is told of the model server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen, validators

from evalyard_lepton.terms import AutoScaler, Health, Mount, Queue, Variables, known_variables


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
    """The section."""

    resource_shape: str
    min_replicas: int = field(default=1, validator=validators.ge(1))
    max_replicas: int = field(default=1, validator=validators.ge(1))
    auto_scaler: AutoScaler = field(factory=AutoScaler)
    health: Health | None = None
    envs: Variables = field(factory=dict, validator=known_variables)
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

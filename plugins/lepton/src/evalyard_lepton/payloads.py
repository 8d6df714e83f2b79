"""What the service is sent, in its own terms: pure. The node group is added when it is known by its id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from evalyard import Server
from evalyard_lepton.server_settings import ModelMount, ServerSettings
from evalyard_lepton.settings import PlatformDefaults, Settings
from evalyard_lepton.terms import AutoScaler, FromWorkspace, Mount, ScaleDown, Variables

Json = dict[str, Any]

MARK_VARIABLE = "EVALYARD_LAUNCH"
ATTEMPT_VARIABLE = "EVALYARD_ATTEMPT"
OWNER_VARIABLE = "EVALYARD_LEPTON_OWNER"
"""Which launcher made it; not the name that local processes carry, among which a stand-in's jobs run."""
KEPT_VARIABLE = "EVALYARD_LEPTON_KEPT"
"""Marks an endpoint that somebody wanted to keep."""
SERVER_PORT = 8000


def as_json(record: Any) -> Any:
    """Return settings as the service takes them: what nobody set is left out."""
    if attrs.has(type(record)):
        fields = {field.name.rstrip("_"): getattr(record, field.name) for field in attrs.fields(type(record))}
        return {name: as_json(value) for name, value in fields.items() if value is not None}
    if isinstance(record, tuple | list):
        return [as_json(value) for value in record]
    if isinstance(record, Mapping):
        return {name: as_json(value) for name, value in record.items()}
    return record


def variables(given: Variables, generated: Mapping[str, str]) -> list[Json]:
    """Return a container's variables.

    Args:
        given: what the configuration has for this backend: texts, and names of the workspace's own secrets.
        generated: variable -> the name of a secret that is made for the run; these win over texts.
    """
    found: dict[str, Json] = {}
    for name, value in given.items():
        found[name] = {"name": name, **({"value": value} if isinstance(value, str) else as_json(value))}
    for name, secret in generated.items():
        if "value_from" not in found.get(name, {}):
            found[name] = {"name": name, "value_from": {"secret_name_ref": secret}}
    return list(found.values())


def from_workspace(given: Variables) -> frozenset[str]:
    """Return the variables whose values the workspace has: nobody needs them here."""
    return frozenset(name for name, value in given.items() if isinstance(value, FromWorkspace))


def plain(values: Mapping[str, str]) -> list[Json]:
    """Return variables that are no secrets."""
    return [{"name": name, "value": value} for name, value in values.items()]


def job_payload(
    settings: Settings, *, name: str, image: str, command: Sequence[str], envs: list[Json], mounts: Sequence[Mount]
) -> Json:
    """Return the body that creates a job."""
    tasks = settings.lepton_platform.tasks
    spec: Json = {
        "resource_shape": settings.evaluation_tasks.resource_shape,
        "container": {"image": image, "command": list(command)},
        "completions": 1,
        "parallelism": 1,
        # A second evaluation that nobody asked for is worse than a failed one.
        "max_failure_retry": 0,
        "max_job_failure_retry": 0,
        "envs": envs,
        "mounts": as_json(tuple(mounts)),
        "image_pull_secrets": list(tasks.image_pull_secrets),
        # The service's own default is ten minutes; then the job is in no list any more.
        "ttl_seconds_after_finished": settings.keep_jobs_s,
        "log": {"enable_collection": True},
    }
    if tasks.queue_config:
        spec["queue_config"] = as_json(tasks.queue_config)
    if tasks.user_security_context:
        spec["user_security_context"] = as_json(tasks.user_security_context)
    return {"metadata": {"name": name, "visibility": "private"}, "spec": spec}


def endpoint_payload(
    settings: Settings, told: ServerSettings, server: Server, *, command: Sequence[str], envs: list[Json]
) -> Json:
    """Return the body that creates an endpoint, without its name and its random key."""
    defaults = settings.lepton_platform.deployment.platform_defaults
    spec: Json = {
        "container": {
            "image": server.image,
            "ports": [{"container_port": server.port or SERVER_PORT}],
            "command": list(command),
        },
        "resource_requirement": {
            "resource_shape": told.resource_shape,
            "min_replicas": told.min_replicas,
            "max_replicas": told.max_replicas,
        },
        "auto_scaler": as_json(_scaler(told.auto_scaler, settings.idle_timeout_s)),
        "envs": envs,
        "mounts": as_json(server_mounts(told, server)),
        "image_pull_secrets": list(told.image_pull_secrets or defaults.image_pull_secrets),
        **_platform(told, defaults),
    }
    tokens = [dict(token) for token in told.api_tokens] + ([{"value": told.api_token}] if told.api_token else [])
    if tokens:
        spec["api_tokens"] = tokens
    return {"metadata": {"visibility": "private"}, "spec": spec}


def server_mounts(told: ServerSettings, server: Server) -> tuple[Mount, ...]:
    """Return the storage that a model server sees."""
    if not isinstance(told.mounts, ModelMount):
        return told.mounts
    if not told.mounts.enabled:
        return ()
    model = re.sub(r"[^a-z0-9.]+", "-", server.model_id.lower()).strip("-")
    path = told.mounts.cache_path.replace("{{MODEL_CACHE_NAME}}", model)
    return (Mount(from_=told.mounts.from_, path=path, mount_path=told.mounts.mount_path),)


def _scaler(given: AutoScaler, idle_timeout_s: int) -> AutoScaler:
    """Say explicitly when the machines go: the service's own default is its own business."""
    down = given.scale_down or ScaleDown()
    if down.no_traffic_timeout is None:
        down = attrs.evolve(down, no_traffic_timeout=idle_timeout_s)
    return attrs.evolve(given, scale_down=down)


def _platform(told: ServerSettings, defaults: PlatformDefaults) -> Json:
    chosen = {
        "health": told.health or defaults.health,
        "log": defaults.log,
        "metrics": defaults.metrics,
        "routing_policy": defaults.routing_policy,
        "queue_config": told.queue_config or defaults.queue_config,
        "user_security_context": defaults.user_security_context,
    }
    return {name: as_json(value) for name, value in chosen.items() if value is not None}

"""What the service says, as records of our own: nothing of the SDK's leaves this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from evalyard_lepton.payloads import MARK_VARIABLE, Json


@frozen(kw_only=True)
class JobView:
    """What the service says of a job."""

    id: str
    name: str
    state: str
    """The service's word; `UNK` for one that the SDK does not know."""
    envs: Mapping[str, str]
    """Variables that are no secrets."""
    created_at_ms: int = 0
    completed_at: int = 0
    """In the service's own unit; 0 = not yet."""


@frozen(kw_only=True)
class EndpointView:
    """What the service says of an endpoint."""

    name: str
    state: str
    """The service's word; its real phase where it has one."""
    url: str
    envs: Mapping[str, str]
    created_at_ms: int = 0


@frozen(kw_only=True)
class Trouble:
    """Why an endpoint is not ready, as far as the service says."""

    reasons: tuple[tuple[str, str], ...] = ()
    """Reason and message of each replica that is not ready."""
    exit_codes: tuple[int, ...] = ()
    """Of every end of its program, oldest first."""
    events: tuple[tuple[str, int], ...] = ()
    """Reason and count of each event that is not normal."""


@frozen(kw_only=True)
class LogLine:
    """One line of a log."""

    at_ns: int
    text: str


def job_view(job: Any) -> JobView:
    """Return a job of the SDK's as a record."""
    status = job.status
    return JobView(
        id=str(job.metadata.id_ or ""),
        name=str(job.metadata.name or ""),
        state=status.state.value if status and status.state else "",
        envs=_plain_envs(job.spec.envs),
        created_at_ms=job.metadata.created_at or 0,
        completed_at=(status.completion_time if status else 0) or 0,
    )


def endpoint_view(deployment: Any) -> EndpointView:
    """Return an endpoint of the SDK's as a record."""
    status = deployment.status
    state = (status.phase or status.state) if status else None
    return EndpointView(
        name=str(deployment.metadata.name or deployment.metadata.id_),
        state=state.value if state else "",
        url=(status.endpoint.external_endpoint if status and status.endpoint else "").rstrip("/"),
        envs=_plain_envs(deployment.spec.envs if deployment.spec else None),
        created_at_ms=deployment.metadata.created_at or 0,
    )


def mark_in(envs: Sequence[Json]) -> str:
    """Return our mark among the variables of a body that is to be sent."""
    return next((str(env.get("value", "")) for env in envs if env["name"] == MARK_VARIABLE), "")


def mark_of(view: JobView | EndpointView) -> str:
    """Return our mark on what the service has; empty = a stranger's."""
    return view.envs.get(MARK_VARIABLE, "")


def _plain_envs(envs: Any) -> dict[str, str]:
    return {env.name: env.value for env in envs or () if env.value is not None}

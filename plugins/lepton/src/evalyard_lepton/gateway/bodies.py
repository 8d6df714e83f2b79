"""What is sent, as the SDK's types: a field that a type would swallow is refused."""

from __future__ import annotations

from typing import Any

from evalyard import InvalidJob
from evalyard_lepton.gateway.client import quiet
from evalyard_lepton.payloads import Json


def typed(model: Any, body: Json) -> Any:
    """Return a body as the SDK's type. Raises InvalidJob for a field that the type would swallow."""
    with quiet():
        try:
            made = model(**body)
        except ValueError as error:
            raise InvalidJob(f"the service's types refuse this: {error}") from error
        kept = made.model_dump(exclude_unset=True, by_alias=True, mode="json")
    lost = _lost(body, kept, "")
    if lost:
        raise InvalidJob(f"the service has no field {', '.join(lost)}")
    return made


def _lost(given: Any, kept: Any, path: str) -> list[str]:
    if isinstance(given, dict) and isinstance(kept, dict):
        lost: list[str] = []
        for name, value in given.items():
            below = f"{path}.{name}" if path else name
            lost += _lost(value, kept[name], below) if name in kept else [below]
        return lost
    if isinstance(given, list) and isinstance(kept, list):
        return [found for one, other in zip(given, kept, strict=False) for found in _lost(one, other, path)]
    return []


def refused_job(body: Json) -> str:
    """Return why the SDK would not send a job; empty = it would."""
    with quiet():
        from leptonai.api.v2.job_validation import validate_job_create
        from leptonai.api.v2.types.job import LeptonJob
    try:
        validate_job_create(typed(LeptonJob, body))
    except (InvalidJob, ValueError) as error:
        return str(error)
    return ""


def refused_endpoint(body: Json) -> str:
    """Return why the SDK would not send an endpoint; empty = it would."""
    with quiet():
        from leptonai.api.v2.types.deployment import LeptonDeployment
    try:
        typed(LeptonDeployment, body)
    except InvalidJob as error:
        return error.message
    return ""

"""What the engine lists of what we made: containers and networks that carry our marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from evalyard_local.docker.script import LABEL, NAME_LABEL, OWNER_LABEL, TOKEN_LABEL

if TYPE_CHECKING:
    from docker import DockerClient


@frozen(kw_only=True)
class Listed:
    """A container as the engine lists it."""

    id: str
    name: str
    token: str
    role: str
    owner: str
    running: bool
    created: bool
    """Whether it has not begun."""


@define
class Left:
    """What the engine has of one attempt."""

    containers: list[Listed] = field(factory=list)
    networks: list[str] = field(factory=list)


def listed(client: DockerClient, **labels: str) -> list[Listed]:
    """Return every container that carries a mark of ours, ended ones too, in one question."""
    wanted = [TOKEN_LABEL, *(f"{name}={value}" for name, value in labels.items())]
    found: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": wanted})
    return [
        Listed(
            id=str(item["Id"]),
            name=str(item["Labels"].get(NAME_LABEL, "")),
            token=str(item["Labels"].get(TOKEN_LABEL, "")),
            role=str(item["Labels"].get(f"{LABEL}.role", "")),
            owner=str(item["Labels"].get(OWNER_LABEL, "")),
            running=item.get("State") in ("running", "paused", "restarting", "removing"),
            created=item.get("State") == "created",
        )
        for item in found
    ]


def all_left(client: DockerClient, *, networks: bool) -> dict[str, Left]:
    """Return all that the engine has of ours, by token."""
    found: dict[str, Left] = {}
    for container in listed(client):
        found.setdefault(container.token, Left()).containers.append(container)
    made: list[dict[str, Any]] = client.api.networks(filters={"label": [TOKEN_LABEL]}) if networks else []
    for network in made:
        found.setdefault(network["Labels"][TOKEN_LABEL], Left()).networks.append(network["Id"])
    return found

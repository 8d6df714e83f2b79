"""A stand-in for Docker's SDK, where no engine is needed: what it lists, and what it was told to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from attrs import define, field
from docker.errors import APIError, NotFound
from requests import Response

OWNER = "0f1e2d3c"
MARKS = [f"{number:032x}" for number in range(1, 6)]


@define
class Engine:
    """As much of the SDK's client as the module asks: containers and networks of a test."""

    things: dict[str, dict[str, Any]] = field(factory=dict)
    nets: dict[str, dict[str, Any]] = field(factory=dict)
    done: list[tuple[Any, ...]] = field(factory=list)
    stubborn: bool = False
    """Whether containers outlive a stop."""
    conflicts: int = 0
    """How many removals are refused because another one is at it."""
    vanishing: bool = False
    """Whether a container that was listed is gone when it is asked for."""

    @property
    def api(self) -> Engine:
        return self

    def add(self, mark: str, state: str = "exited", **account: Any) -> str:
        """Add a container of a mark, its account as the engine gives it."""
        identity = f"id-{mark[-4:]}"
        labels = {"evalyard.token": mark, "evalyard.name": f"ey-{mark[-1]}", "evalyard.owner": OWNER}
        self.things[identity] = {"Id": identity, "State": state, "Labels": labels, "account": account}
        return identity

    def containers(self, **asked: Any) -> list[dict[str, Any]]:
        assert asked.pop("all")
        self.done.append(("list",))
        return [thing for thing in self.things.values() if _has(thing["Labels"], asked["filters"]["label"])]

    def inspect_container(self, identity: str) -> dict[str, Any]:
        if self.vanishing:
            raise NotFound("gone")
        return {"State": self.things[identity]["account"]}

    def stop(self, identity: str, timeout: int) -> None:
        self.done.append(("stop", identity, timeout))
        if self.vanishing:
            raise NotFound("gone")
        if not self.stubborn:
            self.things[identity]["State"] = "exited"

    def remove_container(self, identity: str, *, force: bool) -> None:
        assert force
        if self.conflicts:
            self.conflicts -= 1
            refusal = Response()
            refusal.status_code = HTTPStatus.CONFLICT
            raise APIError("removal is already in progress", response=refusal)
        self.done.append(("remove", identity))
        del self.things[identity]
        if self.vanishing:
            raise NotFound("gone")

    def networks(self, *, filters: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        return [net for net in self.nets.values() if _has(net["Labels"], filters["label"])]

    def remove_network(self, identity: str) -> None:
        self.done.append(("remove network", identity))
        del self.nets[identity]


def _has(labels: Mapping[str, str], wanted: list[str]) -> bool:
    return all(
        name in labels and (not equals or labels[name] == value)
        for name, equals, value in (label.partition("=") for label in wanted)
    )

"""What comes over the wire: requests, refusals, faults, and bodies that are what the SDK's types can say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from tests.plugins.lepton.service.replicas import Json

WORKSPACE, TOKEN = "standin-ws", "standin-token"


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message}


@define(kw_only=True)
class Fault:
    """What goes wrong with requests."""

    method: str = ""
    path: str = ""
    """A regular expression; empty = every path."""
    after: int = 0
    """How many such requests go well before."""
    times: int = 1
    status: int = 0
    body: str | Json | None = None
    headers: Mapping[str, str] = field(factory=dict)
    cut: str = ""
    """`before` or `after` the work is done, or `within` the answer, the connection is cut."""
    delay_s: float = 0.0
    hits: int = 0

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and re.search(self.path, path) is not None


@define(kw_only=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    body: Any


def checked(model: Any, body: Json) -> Json:
    """Return a body that is what the SDK's type can say. Raises Refused for a field that the type lacks."""
    kept: Json = model(**body).model_dump(exclude_unset=True, by_alias=True, mode="json")
    lost = unknown(body, kept)
    if lost:
        raise Refused(400, "InvalidRequest", f"unknown fields: {lost}")
    return kept


def unknown(given: Any, kept: Any) -> list[str]:
    """Return the keys that are in one and not in the other."""
    if isinstance(given, dict) and isinstance(kept, dict):
        found = [name for name, value in given.items() if name not in kept and value is not None]
        return found + [lost for name in given.keys() & kept.keys() for lost in unknown(given[name], kept[name])]
    if isinstance(given, list) and isinstance(kept, list):
        return [lost for one, other in zip(given, kept, strict=False) for lost in unknown(one, other)]
    return []

"""What a backend answers when something is sent: what it calls it, or why it refuses it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class Handle:
    """What the backend calls a job's attempt or a need of ours."""

    name: str
    """The name that core gave it: the key of every answer about it."""
    mark: str
    kind: str = "job"
    """`job`, or the NeedKind of a need."""
    id: str = ""
    """The backend's own id: a process id, a container id, a scheduler's job number."""
    outputs: Mapping[str, str] = field(factory=dict)
    """What bindings refer to, such as `base_url` of a server."""
    data: Mapping[str, str] = field(factory=dict)
    """Anything the plugin needs to find it again."""
    problem: str = field(default="", eq=False)
    """Of one that `cancel` or `teardown` returns: why it is still there, in the backend's words."""


@frozen(kw_only=True)
class LaunchError:
    """One job of a batch that was refused, in the backend's own words."""

    message: str
    transient: bool = False
    """False = retrying the same request cannot help; True = whether it took effect is not known."""

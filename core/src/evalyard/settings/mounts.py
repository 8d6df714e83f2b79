"""Folders of the machine that containers see."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from evalyard.records.programs import Mount


@frozen(kw_only=True)
class Mounts:
    """Folders of the machine where jobs run that their containers see."""

    deployment: Mapping[str, str] = field(factory=dict)
    """Path on the machine -> path in the model server's container; `:ro` behind it makes it read-only."""
    evaluation: Mapping[str, str] = field(factory=dict)
    """Path on the machine -> path in the harness's container; `:ro` behind it makes it read-only."""
    auxiliary: Mapping[str, Mapping[str, str]] = field(factory=dict)
    """Name of an auxiliary deployment -> the same for its container."""


def mounts_of(paths: Mapping[str, str]) -> tuple[Mount, ...]:
    """Return the mounts that a setting asks for: path on the machine -> path in the container, with `:ro` or `:rw`."""
    found = []
    for source, target in paths.items():
        path, _, mode = target.rpartition(":") if target.endswith((":ro", ":rw")) else (target, "", "")
        found.append(Mount(source=source, target=path, read_only=mode == "ro"))
    return tuple(found)

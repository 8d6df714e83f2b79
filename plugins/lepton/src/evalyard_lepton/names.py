"""Our names at the service: `ey-<invocation>-<part>-<attempt>`, and what of them is asked for."""

from __future__ import annotations

from collections.abc import Iterable

PREFIX = "ey-"


def invocation_of(name: str) -> str:
    """Return the invocation in a name of ours; empty for a stranger's."""
    return name.split("-")[1] if name.startswith(PREFIX) and name.count("-") >= 2 else ""


def part_of(name: str) -> str:
    """Return what a name stands for: a job's number, or a need's key."""
    return name.split("-", 2)[2].rpartition("-")[0] if invocation_of(name) else ""


def common_part(names: Iterable[str]) -> str:
    """Return the longest useful text that all these names contain: one request shall bring them all, and few others."""
    invocations = {invocation_of(name) for name in names}
    return f"{PREFIX}{invocations.pop()}-" if len(invocations) == 1 else PREFIX

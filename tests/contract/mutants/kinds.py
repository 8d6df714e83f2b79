"""What a mutant is: an executor with one bug of a real launcher, and the claims that must notice it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

Claim = Callable[..., None]
"""A test of `Conformance`."""


@frozen(kw_only=True)
class Mutant:
    """One executor and what it must fail. The docstring of its class tells the bug."""

    executor: type[Any]
    fails: tuple[Claim, ...]
    kit: Mapping[str, Any] = field(factory=dict)
    """Attributes of the kit's class that differ from what the executor in memory has."""
    claimed_by: tuple[str, ...] = ()
    """Packages whose metadata claim it by an entry point, of the name that `kit` has."""

    @property
    def bug(self) -> str:
        """What it does wrong, in a line."""
        return " ".join((self.executor.__doc__ or "").split())

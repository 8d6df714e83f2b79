"""Where backends are."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class Connection:
    """Where a backend is (host and user, workspace, daemon URL): no secrets, no settings. Equal = one session."""

    executor: str
    address: Mapping[str, str] = field(factory=dict)
    shares_disk: bool = False
    """Whether run directories there are on a disk of this machine, so that an executor that can fetch need not."""
    poll_interval_s: float = field(default=0.0, eq=False)
    """Seconds between two questions about a run's jobs, at least: spares a backend that many ask; 0 = as it answers."""

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """A hashable form, for grouping."""
        return self.executor, tuple(sorted(self.address.items()))

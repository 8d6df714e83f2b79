"""The `execution:` section of `type: example`."""

from __future__ import annotations

from attrs import field, frozen, validators
from evalyard import Connection


@frozen(kw_only=True)
class ExecutionSettings:
    """Every field is a key of the section: typed, checked, and named in messages."""

    output_dir: str
    """Where run directories are made, on the machine where jobs run."""
    # REPLACE: the keys of your backend. One that queues jobs by itself has no max_parallel.
    max_parallel: int = field(default=4, validator=validators.ge(1))
    """How many jobs run at once."""
    endpoint_readiness_timeout: int = field(default=600, validator=validators.ge(1))
    """Seconds that a job waits for its model servers."""

    def connection(self) -> Connection:
        """Say where the backend is, without secrets; equal connections share one session."""
        # REPLACE: address={"host": self.host, ...}
        return Connection(executor="example", shares_disk=True)

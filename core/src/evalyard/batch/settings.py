"""What every executor for a batch scheduler is told in `execution:`."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen, validators

from evalyard.records.connections import Connection
from evalyard.settings.resources import is_line, is_word


@frozen(kw_only=True, slots=False)
class BatchSettings:
    """Where the scheduler is, and where runs lie there.

    Attributes:
        executor: the entry point's name.
    """

    executor: ClassVar[str] = ""

    output_dir: str = field(validator=is_line)
    """Where run directories are made: an absolute path of the cluster, on a disk that all nodes share."""
    hostname: str | None = field(default=None, validator=is_word)
    """The login node, as ssh calls it; null = this machine is one."""
    username: str | None = field(default=None, validator=is_word)
    """Who you are there; null = as ssh decides."""
    poll_interval_s: float = field(default=5.0, validator=validators.ge(0))
    """Seconds between two questions to the cluster about a run's jobs, at least."""

    def connection(self) -> Connection:
        """Where the cluster is: behind ssh, or here."""
        address = {"hostname": self.hostname, "username": self.username if self.hostname else None}
        return Connection(
            executor=self.executor,
            address={name: value for name, value in address.items() if value},
            shares_disk=not self.hostname,
            poll_interval_s=self.poll_interval_s,
        )

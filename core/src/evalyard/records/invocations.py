"""What the store keeps of a run from its beginning."""

from __future__ import annotations

from attrs import frozen

from evalyard.records.connections import Connection
from evalyard.specs import Section


@frozen(kw_only=True)
class JobHeader:
    """What never changes about a job."""

    number: int
    task: str
    folder: str


@frozen(kw_only=True)
class Invocation:
    """What never changes about an invocation; written once, before anything is sent."""

    id: str
    created_at: str
    """UTC, ISO 8601."""
    source: str
    """The configuration's file."""
    run_dir: str
    connection: Connection
    jobs: tuple[JobHeader, ...]
    extensions: tuple[Section, ...] = ()
    auto_export: tuple[str, ...] = ()
    """Destinations that get the results of a job as soon as there are any."""
    evalyard_version: str = ""

    def job(self, number: int) -> JobHeader:
        """Return the header of one job. Raises KeyError when there is none of that number."""
        for header in self.jobs:
            if header.number == number:
                return header
        raise KeyError(number)

"""Files that must be in the run directory before a job starts, and the secrets that some of them hold by name."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class SecretRef:
    """A variable that a job's process must see, by name: its value is looked up when the secrets file is written."""

    name: str
    """The variable in the job."""
    variable: str
    """The variable to read where `run` is called."""
    where: str = ""
    """`file:line` of its declaration."""


@frozen(kw_only=True)
class PlannedFile:
    """A file that must be in the run directory before a job starts."""

    path: str
    """Relative to the run directory, `/` between parts."""
    text: str = ""
    mode: int = 0o644
    secrets: tuple[SecretRef, ...] = ()
    """When given, the content is these variables, quoted for sh; `Context.content` renders it and nothing else may."""

"""What would be sent for an attempt, and what must be there before."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from evalyard.records.files import PlannedFile
from evalyard.records.jobs import JobCard
from evalyard.specs import ResultFile


class NeedKind(StrEnum):
    """What a need is, which decides how core treats it."""

    FILES = "files"
    """The run directory's content. Made before anything else; stays."""
    ENVIRONMENT = "environment"
    """An image or a virtual environment. Stays."""
    SERVER = "server"
    """A model server. Watched while jobs depend on it, released after the last."""
    RESOURCE = "resource"
    """Anything else that exists only for the run: a network, a backend's own secret. Released after the last job."""

    @property
    def lasting(self) -> bool:
        """Whether it outlives the run: never torn down by a run, made again (idempotently) for a new attempt."""
        return self in (NeedKind.FILES, NeedKind.ENVIRONMENT)


@frozen(kw_only=True)
class Need:
    """Something that jobs depend on. Needs with equal keys are one; their files are united."""

    key: str
    """Short, lower case: part of the name that the backend sees."""
    kind: NeedKind
    files: tuple[PlannedFile, ...] = ()
    directory: str = ""
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict)
    payload: Mapping[str, Any] = field(factory=dict)
    """Whatever else the plugin would send, in its own terms; JSON types only."""
    health_path: str = ""
    name: str = ""
    """Set by core before `provision`: the name that the backend shall know it by."""
    mark: str = ""
    """Set by core before `provision`: the token that tells ours from a stranger's."""
    attempt: int = 1
    """Set by core: a server that is needed again after it ended is the next attempt."""


@frozen(kw_only=True)
class Binding:
    """A value known only once a need is there: `Handle.outputs[output]` of need `need`."""

    need: str
    output: str


@frozen(kw_only=True)
class Plan:
    """Everything that would be sent for one attempt, rendered. `launch` sends exactly this."""

    job: str
    task: str
    attempt: int
    name: str
    mark: str
    directory: str
    """Where the job runs: the task's directory, absolute, on the backend."""
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict)
    """Variables of the job, no secrets among them."""
    bindings: Mapping[str, Binding] = field(factory=dict)
    """Variable -> the output of a need that core puts into `environment` before `launch`."""
    needs: tuple[Need, ...] = ()
    payload: Mapping[str, Any] = field(factory=dict)
    """Whatever else the plugin would send, in its own terms; JSON types only."""
    image: str = ""
    """The container image that runs the harness; empty = it is a host process."""
    concurrency: int | None = None
    """At most this many jobs of the invocation at once, the rest queued by core's keeper; None = the backend queues."""
    grace_s: float = 10.0
    """How long a cancelled job may take to end by itself."""
    results: ResultFile | None = field(factory=ResultFile)
    """The result file below `<directory>/artifacts`; None = none is expected."""
    card: JobCard | None = None
    """What was asked of the job. Set by core after `plan`; None = made by a version that knew no cards."""
    notes: tuple[str, ...] = ()
    """What the user should know, one line each (an ignored setting, a substituted address)."""

"""Jobs: as an executor's `plan` gets them, and as their own folder tells of them ever after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, field, frozen

from evalyard.ids import backend_name, job_id
from evalyard.records.files import PlannedFile
from evalyard.records.programs import Harness, Server
from evalyard.specs import EndpointSpec, ResultFile, TaskSpec


@frozen(kw_only=True)
class Job:
    """One attempt at one task, as a plugin's `plan` gets it."""

    invocation: str
    number: int
    attempt: int
    mark: str
    """The launch token: 32 hex digits that tell this attempt from anything else of the same name."""
    task: TaskSpec
    harness: Harness
    """For a process that starts in the task's folder."""
    endpoint: EndpointSpec
    """Its url and type are always set, unless `server` is: then the URL is known only later."""
    server: Server | None = None
    auxiliary: tuple[Server, ...] = ()
    """Further model servers that it uses, such as a judge."""
    run_dir: str
    """Absolute, on the machine where the job runs."""
    folder: str
    """The task's folder below run_dir."""
    files: tuple[PlannedFile, ...] = ()
    """What core wants in the run directory for this job: scripts, the harness's own files, the secrets file."""
    secret_variables: tuple[str, ...] = ()
    """Variables of the caller's environment that this run reads as secrets. A process that would inherit them must
    not: it gets from its secrets file what it is meant to have."""
    contained: Harness = field(default=Factory(lambda job: job.harness, takes_self=True))
    """The harness for a container, which sees the folders under other names (`evalyard.harness.places`)."""

    @property
    def id(self) -> str:
        """`<invocation>.<number>`."""
        return job_id(self.invocation, self.number)

    @property
    def name(self) -> str:
        """The name that the backend shall know this attempt by."""
        return backend_name(self.invocation, self.number, self.attempt)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every model server that it uses, that of the model under test first."""
        return (self.server, *self.auxiliary) if self.server else self.auxiliary

    @property
    def directory(self) -> str:
        """The task's own directory, absolute."""
        return f"{self.run_dir}/{self.folder}"


@frozen(kw_only=True)
class JobCard:
    """What was asked of one job: where its numbers come from. In the task's folder as `job.json`; no secrets."""

    job: str
    """`<invocation>.<number>`."""
    task: str
    executor: str = ""
    harness: str = ""
    """nemo-evaluator, lm-eval, smoke, command."""
    image: str = ""
    """The container image as asked for; empty = a host process."""
    package: str = ""
    """What pip installed for it, in host mode; empty = nothing."""
    model_id: str = ""
    endpoint_url: str = ""
    """Empty where a model server was started for the run."""
    endpoint_type: str = ""
    deployment: str = ""
    """The type of the model server that was started; empty = the endpoint was given."""
    auxiliary: Mapping[str, str] = field(factory=dict)
    """The further model servers that were started for it, such as a judge: name -> model."""
    parameters: Mapping[str, Any] = field(factory=dict)
    """What the task was told (`config.params`)."""
    limit_samples: float | None = None
    """Only so many samples (or, below 1, such a share) were asked for; None = the whole benchmark."""
    results: ResultFile | None = field(factory=ResultFile)
    """The result file below `artifacts/`; None = none is expected."""
    source: str = ""
    """The configuration's file."""
    created_at: str = ""
    """When `run` was called: UTC, ISO 8601."""
    evalyard_version: str = ""

    @property
    def invocation(self) -> str:
        """The run that it belongs to."""
        return self.job.partition(".")[0]

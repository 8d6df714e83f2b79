"""What passes between core and plugins, and what is stored: frozen, built by keyword, readable by newer versions.

Fields are only ever added, with defaults. Nothing here holds a secret's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import Factory, field, frozen

from evalyard.ids import backend_name, job_id, server_folder, server_key, server_title
from evalyard.specs import EndpointSpec, ResultFile, Section, TaskSpec
from evalyard.states import JobState

# --- what core hands to a plugin's `plan` ---------------------------------------------------------------------------


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


@frozen(kw_only=True)
class Harness:
    """How one task is run, whatever the backend: core's harness adapters make it."""

    name: str
    """smoke, command, ..."""
    script: str
    """Shell text; the current folder is the task's, `$EVALYARD_OUTPUT_DIR` the artifacts folder."""
    results: ResultFile | None = field(factory=ResultFile)
    """The result file; None = none is expected."""
    files: tuple[PlannedFile, ...] = ()
    image: str | None = None
    """The container image that has it, with its digest where the catalogue pins one."""
    program: str = ""
    """The program that must be on PATH where it runs without a container; empty = the script needs none."""
    package: str = ""
    """What pip installs to get `program`, such as `lm-eval[api]==0.4.13`; empty = nothing is known."""
    lasting: tuple[str, ...] = ()
    """Folders that it keeps below `execution.output_dir` for later runs, such as a cache; "" = that folder itself."""
    keeps_entrypoint: bool = False
    """Whether its image's entrypoint prepares the environment and then runs the command that it is given."""


@frozen(kw_only=True)
class Mount:
    """A folder of the machine where something runs, and where a container sees it."""

    source: str
    """Absolute, on the machine."""
    target: str
    """Absolute, in the container."""
    read_only: bool = False
    variable: str = ""
    """The variable by which a script finds the folder: whoever runs it sets it to `target` in a container and to
    `source` without one. Empty = there is none."""


@frozen(kw_only=True)
class Server:
    """A model server to start, whatever the backend: core's serving recipes make it.

    An executor runs `script` with `sh -c`, in a container in place of the image's own entry point. In its environment
    are PORT, HOST, EVALYARD_MODEL_ID, the variables of `mounts`, `literals`, `runtime` and `secrets`.
    """

    recipe: str
    model_id: str
    name: str = ""
    """What a further server is called, such as `judge`; empty = it serves the model under test."""
    env_prefix: str = ""
    """What the variables begin with by which harnesses find a further server."""
    script: str
    """Shell text that serves on `$PORT` of `$HOST` in the foreground."""
    image: str | None = None
    image_by_default: bool = False
    """Whether nobody asked for this image: without containers it may be left out, and `program` is run instead."""
    program: str = ""
    """The program that must be on PATH where it runs without a container; empty = nothing is known of its needs."""
    mounts: tuple[Mount, ...] = ()
    gpus: bool = False
    """Whether it is to have the GPUs, where there are any."""
    port: int = 0
    """0 = any free one."""
    health_path: str = "/health"
    paths: Mapping[str, str] = field(factory=dict)
    """Endpoint type -> path below the base URL."""
    literals: Mapping[str, str] = field(factory=dict)
    secrets: tuple[SecretRef, ...] = ()
    runtime: Mapping[str, str] = field(factory=dict)
    """Variable in the server -> variable to read where it runs."""
    files: tuple[PlannedFile, ...] = ()
    told: Section | None = None
    """What the configuration tells the executor alone of this server, for the executor's own class."""

    @property
    def key(self) -> str:
        """The key of its need, where all jobs of an invocation share it."""
        return server_key(self.name) if self.name else "server"

    @property
    def folder(self) -> str:
        """Where its scripts lie below the run directory."""
        return server_folder(self.name)

    @property
    def title(self) -> str:
        """What messages call it."""
        return server_title(self.name)

    @property
    def section(self) -> str:
        """The key path of its section in the configuration."""
        return f"auxiliary_deployments.{self.name}" if self.name else "deployment"

    @property
    def variables(self) -> str:
        """What the variables begin with in which the job script finds it."""
        return f"EVALYARD_{self.env_prefix}" if self.name else "EVALYARD"

    def variable(self, what: str) -> str:
        """Return the variable in which the job script finds `what` of it (BASE_URL, SERVER_EXIT)."""
        return f"{self.variables}_{what}"

    @property
    def url_variables(self) -> Mapping[str, str]:
        """Variables by which harnesses find a further server -> the paths of those URLs."""
        return {f"{self.env_prefix}_{kind.upper()}_URL": path for kind, path in self.paths.items()} if self.name else {}


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


# --- what a plugin answers ------------------------------------------------------------------------------------------


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


@frozen(kw_only=True)
class Handle:
    """What the backend calls a job's attempt or a need of ours."""

    name: str
    """The name that core gave it: the key of every answer about it."""
    mark: str
    kind: str = "job"
    """`job`, or the NeedKind of a need."""
    id: str = ""
    """The backend's own id: a process id, a container id, a scheduler's job number."""
    outputs: Mapping[str, str] = field(factory=dict)
    """What bindings refer to, such as `base_url` of a server."""
    data: Mapping[str, str] = field(factory=dict)
    """Anything the plugin needs to find it again."""
    problem: str = field(default="", eq=False)
    """Of one that `cancel` or `teardown` returns: why it is still there, in the backend's words."""


@frozen(kw_only=True)
class LaunchError:
    """One job of a batch that was refused, in the backend's own words."""

    message: str
    transient: bool = False
    """False = retrying the same request cannot help; True = whether it took effect is not known."""


@frozen(kw_only=True)
class ExitRecord:
    """What a job script left in `exit.json`: the best evidence there is."""

    attempt: int
    exit_code: int
    mark: str = ""
    """The launch token; empty when run by hand."""
    by_hand: bool = False
    signal: str = ""
    """The signal that ended it (`TERM`), when one did."""
    reason: str = ""
    results: bool = True
    """Whether the expected result file was there."""
    started_at: str = ""
    """UTC, ISO 8601."""
    ended_at: str = ""


@frozen(kw_only=True)
class Observation:
    """What the backend says of one handle now."""

    state: JobState
    reason: str = ""
    exit: ExitRecord | None = None
    """The exit file, where it could be read: it outranks `state`."""
    handle: Handle | None = None
    """A fresher handle, when something about it is known only now."""
    missing: bool = False
    """Set by core: the backend answered, and did not mention this one."""
    progress: str = ""
    """For a person: `40/100`."""
    started_at: str = ""
    """When it began to run (UTC, ISO 8601), where the backend says so before the end."""


@frozen(kw_only=True)
class LogChunk:
    """A piece of a log, in whole lines."""

    lines: tuple[str, ...] = ()
    cursor: str = ""
    """Hand it back to read on."""
    ended: bool = False
    """Nothing more will come."""


@frozen(kw_only=True)
class JobEnd:
    """That an attempt of a job has ended, as extensions are told it."""

    invocation: str
    job: str
    """`<invocation>.<number>`."""
    task: str
    attempt: int
    state: JobState
    reason: str = ""
    exit_code: int | None = None
    """The harness's own; None = it left none."""
    directory: str = ""
    """The folder on this machine with the job's `artifacts/` and `logs/`; it need not exist."""
    started_at: str = ""
    """ISO 8601, UTC; empty = it never began, or that is not known."""
    ended_at: str = ""


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@frozen(kw_only=True)
class Finding:
    """One result of a preflight check."""

    severity: Severity
    subject: str
    """What was looked at: `disk space`, `endpoint`."""
    message: str
    remedy: str = ""
    """The command or the step that mends it."""
    unreachable: bool = False
    """Whether it is the backend or the endpoint that does not answer, rather than something wrong here."""


# --- what the store keeps of an invocation --------------------------------------------------------------------------


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

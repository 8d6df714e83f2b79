"""What is run, whatever the backend: harnesses, model servers, and the folders that they see."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from evalyard.ids import server_folder, server_key, server_title
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.specs import ResultFile, Section


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

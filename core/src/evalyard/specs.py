"""What was asked for: the typed form of a configuration.

`evalyard.config` is the only maker of these. Past it, nobody sees the YAML's dictionaries, save in the nodes that are
free-form by declaration (a harness's own parameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from attrs import field, frozen

from evalyard.errors import ConfigError

T = TypeVar("T")


class ValueSource(StrEnum):
    """Where the value of an environment variable comes from."""

    HOST = "host"
    """The environment in which `run` was called (or its `--env-file`): treated as a secret."""
    LITERAL = "lit"
    """Written out in the configuration."""
    RUNTIME = "runtime"
    """The environment in which the job runs."""


@frozen(kw_only=True)
class EnvValue:
    """One environment variable of a job: `HF_TOKEN: host:MY_TOKEN` has source HOST and text `MY_TOKEN`."""

    source: ValueSource
    text: str
    """The text itself for LITERAL, else the name of the variable to read."""
    where: str = ""
    """`file:line` of the declaration, for messages."""


EnvVars = Mapping[str, EnvValue]
"""Variable name in the job -> where its value comes from."""


@frozen(kw_only=True)
class EndpointSpec:
    """The OpenAI-compatible endpoint under test. Beside a deployment, url and model_id come from the deployment."""

    url: str | None = None
    """The full path that requests are posted to, such as `http://localhost:8000/v1/chat/completions`."""
    model_id: str | None = None
    api_key_name: str | None = None
    """NAME of the environment variable that holds the key; None = no Authorization header."""
    type: str | None = None
    """chat, completions, ...; None = what the task asks for first."""
    adapter_config: Mapping[str, Any] = field(factory=dict)
    """Free-form settings of the harness's request adapter."""


class ResultFormat(StrEnum):
    """How the scores of a result file are found."""

    NEMO = "nemo"
    """nemo-evaluator's schema: `results.tasks|groups.<name>.metrics.<metric>.scores.<score>`."""
    LM_EVAL = "lm-eval"
    """lm-evaluation-harness's schema: `results.<task>.<metric>,<filter>`."""
    YAML = "yaml"
    """Any YAML file; `ResultFile.scores` says where."""
    JSON = "json"
    """Any JSON file; `ResultFile.scores` says where."""


@frozen(kw_only=True)
class ResultFile:
    """The file that a harness leaves, without which success is none."""

    file: str = "results.yml"
    """Relative to the artifacts folder."""
    format: ResultFormat = ResultFormat.NEMO
    scores: Mapping[str, str] = field(factory=dict)
    """For YAML and JSON: name of a score -> dotted path of its value in the file (`summary.acc`, `rows.0.f1`)."""


@frozen(kw_only=True)
class CommandSpec:
    """A harness that is any command: `evaluation.tasks[].harness`."""

    command: str
    """Shell text; sees EVALYARD_ENDPOINT_URL, EVALYARD_MODEL_ID, EVALYARD_OUTPUT_DIR and the task's own variables."""
    results: ResultFile | None = field(factory=ResultFile)
    """The result file that it leaves; None = it leaves none."""


@frozen(kw_only=True)
class TaskSpec:
    """One benchmark to run."""

    name: str
    endpoint_type: str | None = None
    harness: CommandSpec | None = None
    """None = the catalogue says which harness runs this name."""
    container: str | None = None
    """An image to use instead of the catalogue's."""
    dataset_dir: str | None = None
    """A folder with the task's data, on the machine where the job runs."""
    dataset_mount_path: str = "/datasets"
    """Where a container sees dataset_dir."""
    harness_config: Mapping[str, Any] = field(factory=dict)
    """`nemo_evaluator_config` without `config.params`: free-form, merged into the harness's own run configuration."""
    params: Mapping[str, Any] = field(factory=dict)
    """`config.params` for the harness (limit_samples, parallelism, ...), evaluation-wide ones merged in."""
    env: EnvVars = field(factory=dict)
    """top < evaluation < task, merged; api_key_name adds its own name."""
    pre_cmd: str | None = None
    """Shell text run before the harness, in the same shell. A stranger's: refused unless the caller trusts it."""
    post_cmd: str | None = None
    """Shell text that always runs after it; sees EVALYARD_EXIT_CODE."""
    where: str = field(default="", eq=False)
    """`file:line:column: key path`, for messages."""


@frozen(kw_only=True)
class ServerPaths:
    """Where a model server answers, relative to its base URL; None = the recipe's default."""

    chat: str | None = None
    completions: str | None = None
    health: str | None = None
    embedding: str | None = None
    ranking: str | None = None


@frozen(kw_only=True)
class DeploymentSpec:
    """A model server to start for the occasion: the `deployment:` section."""

    type: str
    """Which serving recipe: none, generic, demo, ..."""
    command: str | None = None
    """Shell text; `{port}` stands for the port it must listen on (also in the environment as PORT)."""
    image: str | None = None
    """None = a process on the host."""
    port: int | None = None
    """Where it listens; 0 = any free port, None = the recipe's default."""
    served_model_name: str | None = None
    endpoints: ServerPaths = field(factory=ServerPaths)
    env: EnvVars = field(factory=dict)
    """top < deployment, merged."""
    pre_cmd: str | None = None
    """Shell text run before the server, in the same shell. A stranger's: refused unless the caller trusts it."""
    checkpoint_path: str | None = None
    """The model's folder, absolute, on the machine where the server runs; a container sees it as /checkpoint,
    read-only."""
    cache_path: str | None = None
    """A folder for downloads and compiled kernels, absolute; a container sees it as /cache."""
    hf_model_handle: str | None = None
    """The model's name on the Hugging Face hub, used instead of checkpoint_path."""
    multiple_instances: bool = False
    """Whether several servers, behind a proxy, stand for one."""
    options: Any = None
    """What only this type takes, as an instance of its class in `evalyard.config.deployment_types`."""
    executor_config: Section | None = None
    """`<executor>_config`: what only that executor, whose name it has, is told of the server."""
    path: str = "deployment"
    """The key path of its section, for messages."""
    places: Mapping[str, str] = field(factory=dict, eq=False)
    """Key -> `file:line:column`, for messages; that of the section itself is under the empty key."""


@frozen(kw_only=True)
class AuxiliarySpec:
    """A further model server, such as a judge: `auxiliary_deployments.<name>`."""

    name: str
    env_prefix: str
    """What the variables begin with by which harnesses find it: `JUDGE` for JUDGE_CHAT_URL and JUDGE_MODEL_ID."""
    server: DeploymentSpec


@frozen(kw_only=True)
class Section:
    """A part of the configuration whose type a plugin declares: `execution`, `export.<name>`, `extensions.<name>`.

    `data` is plain, resolved data; `places` tells the file and line of each key in it. `evalyard.config.structure`
    turns it into the plugin's own class.
    """

    name: str
    """The plugin's entry-point name (`execution.type`)."""
    path: str
    """The key path of the section, such as `execution`."""
    data: Mapping[str, Any]
    places: Mapping[str, str] = field(factory=dict)
    """Full key path -> `file:line:column`."""
    texts: Mapping[str, str] = field(factory=dict)
    """Full key path -> how a number was written (`007`), where that is not how Python writes it."""

    def place(self, key: str) -> str:
        """Return `file:line:column` of a key below this section, or of the nearest parent that has one."""
        path = f"{self.path}.{key}" if key else self.path
        while path:
            if path in self.places:
                return self.places[path]
            path = path.rpartition(".")[0]
        return ""

    def error(self, key: str, text: str) -> ConfigError:
        """Return an error that names the place of `key` in this section."""
        place = self.place(key)
        path = f"{self.path}.{key}" if key else self.path
        return ConfigError([f"{place}: {path}: {text}" if place else f"{path}: {text}"])


@frozen(kw_only=True)
class RunSpec:
    """One whole configuration, resolved and checked as far as core can."""

    source: str
    """The configuration's file, for messages and listings."""
    tasks: tuple[TaskSpec, ...]
    endpoint: EndpointSpec
    deployment: DeploymentSpec | None
    """None = evaluate the given endpoint."""
    execution: Section
    auxiliary_deployments: tuple[AuxiliarySpec, ...] = ()
    """Further model servers (a judge, a user simulator), in the order of the file."""
    exports: tuple[Section, ...] = ()
    """`export.<destination>`, in the order of the file."""
    export_env: EnvVars = field(factory=dict)
    """Variables of exporters: `export.env_vars`."""
    auto_export: tuple[str, ...] = ()
    """Destinations that get the results as soon as there are any: `execution.auto_export.destinations`."""
    extensions: tuple[Section, ...] = ()
    catalogue: tuple[str, ...] = ()
    """Folders with tables of further benchmarks, absolute."""
    deprecations: tuple[str, ...] = ()
    """Older spellings that were read, each as `old -> new`."""
    resolved: str = ""
    """The resolved configuration as YAML, secrets as names: running it again repeats the run."""

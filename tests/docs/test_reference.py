"""Tables of the documentation say what the code does: no key, option, state, hook or field too many or too few."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import re
import subprocess
from collections.abc import Iterable
from inspect import signature
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import evolve
from ruamel.yaml import YAML

import evalyard
from evalyard import _HOME_OF, PLACE_VARIABLE, BatchSystem, ResultFile, Transient, errors
from evalyard.cli.app import EXIT_BUG, call
from evalyard.config import load_text, structure
from evalyard.config.deployment_types import DEPLOYMENT_TYPES
from evalyard.config.fields import Fields
from evalyard.config.node import Node, Problems
from evalyard.exports.context import ExportContext
from evalyard.exports.local import LocalSettings
from evalyard.exports.settings import ExportSettings
from evalyard.harness import smoke_tasks
from evalyard.orchestrator.begin import prepare
from evalyard.orchestrator.leftovers import Leftover
from evalyard.plugins import discovery, hookspecs
from evalyard.plugins.context import Context
from evalyard.plugins.session import Session
from evalyard.records.connections import Connection
from evalyard.records.jobs import Job
from evalyard.records.programs import Harness
from evalyard.secrets import SHORTEST_REDACTED
from evalyard.specs import RunSpec
from evalyard.states import JobState
from evalyard.testing import Conformance
from evalyard.testing.claims import Claims
from evalyard_local import checks
from evalyard_local.docker.arguments import OURS
from evalyard_local.docker.plans import plan_contained
from evalyard_local.settings import Settings
from tests.docs.blocks import REPOSITORY, Page, read_page, table
from tests.docs.exporters import EXPORTING, documented_settings, settings_of
from tests.docs.hooks import page as hooks_page
from tests.docs.reference import ELSEWHERE, page as names_page
from tests.plugins.left import job_left

CONFIGURATION = read_page(REPOSITORY / "docs" / "configuration.md")
COMMANDS = read_page(REPOSITORY / "docs" / "command-line.md")
SECRETS = read_page(REPOSITORY / "docs" / "environment-and-secrets.md")
LOCAL = read_page(REPOSITORY / "docs" / "executors" / "local.md")
OVERVIEW = read_page(REPOSITORY / "docs" / "executors" / "overview.md")
CUSTOM = read_page(REPOSITORY / "docs" / "executors" / "custom.md")
HOOKS = read_page(REPOSITORY / "docs" / "executors" / "hooks.md")
NAMES = read_page(REPOSITORY / "docs" / "executors" / "reference.md")
BATCH = read_page(REPOSITORY / "docs" / "executors" / "batch.md")
README = read_page(REPOSITORY / "README.md")

KEY_TABLES = ("Top level", "Execution", "Target", "Deployment", "Evaluation", "Tasks")
ASKED = """
execution: {type: local, use_docker: false, output_dir: /out}
target: {api_endpoint: {url: "http://localhost:8000/v1/chat/completions", model_id: my-model}}
evaluation: {tasks: [{name: smoke}]}
"""
SERVED = """
execution: {type: local, output_dir: /out}
deployment: {type: generic, command: serve, served_model_name: my-model, image: server}
evaluation: {tasks: [{name: smoke, container: python}]}
"""
EVERYTHING = """
execution: {type: local, use_docker: false, output_dir: /out}
target: {api_endpoint: {}}
deployment: {type: generic, command: serve, served_model_name: my-model, endpoints: {}}
evaluation:
  nemo_evaluator_config: {config: {params: {}}}
  tasks: [{name: smoke, harness: {command: score}, nemo_evaluator_config: {config: {params: {}}}}]
"""
NOT_DOCUMENTED = {
    "user_config_path",  # older configurations hold it; read and dropped
}


def bare(cell: str) -> str:
    return cell.strip("`")


def rows(page: Page, *headings: str) -> list[list[str]]:
    return [[bare(cell) for cell in row] for heading in headings for row in table(page, heading)]


def in_backticks(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def section(page: Page, heading: str) -> str:
    return re.split(r"\n## ", f"\n{page.prose}")[[*headings(page)].index(heading) + 1]


def headings(page: Page) -> Iterable[str]:
    return re.findall(r"^## (.+)$", page.prose, flags=re.MULTILINE)


def load(text: str, *overrides: str) -> RunSpec:
    return load_text(text, "f", overrides, environ={})


# --- configuration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "example"), [(row[0], row[1]) for row in rows(CONFIGURATION, *KEY_TABLES)])
def test_every_documented_key_is_accepted_with_its_example(key: str, example: str) -> None:
    if key == "defaults":
        load(f"{key}: {example}\n{ASKED}")
        return
    served = key.startswith("deployment.")
    extra = (
        [] if not key.startswith("evaluation.tasks[].harness.results") else ["evaluation.tasks[0].harness.command=x"]
    )
    spec = load(SERVED if served else ASKED, *extra, f"{key.replace('[]', '[0]')}={example}")
    assert spec.tasks
    prepare(spec)


def test_every_key_of_the_schema_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    known: set[str] = set()
    original = Fields.__init__

    def noting(self: Fields, node: Node | None, path: str, problems: Problems, **given: Any) -> None:
        if path != "execution":  # what the executor's own page lists
            known.update(f"{path}.{key}".strip(".") for key in given["known"])
        original(self, node, path, problems, **given)

    monkeypatch.setattr(Fields, "__init__", noting)
    load(EVERYTHING)
    schema = {re.sub(r"\[\d+\]", "[]", key) for key in known}
    # What a task may say of its harness is what `evaluation` may say for all of them.
    schema = {key.replace("tasks[].nemo_evaluator_config.", "nemo_evaluator_config.") for key in schema}
    documented = {row[0] for row in rows(CONFIGURATION, *KEY_TABLES)}
    sections = {key for key in schema if any(other.startswith((f"{key}.", f"{key}[")) for other in documented)}
    assert schema - sections - NOT_DOCUMENTED - documented == set()


@pytest.mark.parametrize("form", [row[0] for row in rows(CONFIGURATION, "Overrides")])
def test_every_documented_form_of_an_override_is_understood(form: str) -> None:
    for text in (form, *re.findall(r"`([^`]+=[^`]+)`", form)):
        given = "~target" if text == "deployment=demo" else "config.params.parallelism=2"
        load(ASKED, given, text)


@pytest.mark.parametrize(("name", "example"), [(row[0], row[1]) for row in rows(CONFIGURATION, "Parameters of smoke")])
def test_every_documented_parameter_of_smoke_is_accepted(name: str, example: str) -> None:
    assert len(prepare(load(ASKED, f"config.params.{name}={example}")).plans) == 1


def test_every_parameter_of_smoke_is_documented() -> None:
    assert {row[0] for row in rows(CONFIGURATION, "Parameters of smoke")} == {*smoke_tasks._OPTIONS, "stream"}


def test_the_variables_that_a_harness_sees_are_those_of_the_job_script() -> None:
    plan = prepare(load(ASKED)).plans[0]
    script = next(file.text for need in plan.needs for file in need.files if file.path.endswith("/run.sh"))
    exported = " ".join(re.findall(r"^ *export (EVALYARD_.+)", script, flags=re.MULTILINE))
    the_scripts_own = {"EVALYARD_ASK_KEY", "EVALYARD_ATTEMPT", "EVALYARD_EXIT_CODE"}
    prepared = set(re.findall(r"\bEVALYARD_\w+", exported)) - the_scripts_own
    assert {row[0] for row in rows(CONFIGURATION, "A harness of your own")} == prepared


def test_deployment_types_are_documented_with_their_images_and_options() -> None:
    documented = {bare(name): (bare(image), keys) for name, image, keys in table(CONFIGURATION, "Deployment types")}
    assert documented.keys() == DEPLOYMENT_TYPES.keys()
    for name, (image, options) in documented.items():
        known = DEPLOYMENT_TYPES[name]
        default_image = known.start.get("image")
        assert image == ("must be set" if default_image == "???" else default_image or "")
        inherited = {*DEPLOYMENT_TYPES["vllm"].keys} if "those of `vllm`" in options else set()
        assert in_backticks(options.replace("those of `vllm`", "")) | inherited == {*known.keys}, name
        for option, default in re.findall(r"`(\w+)` ([\d.]+)", options):
            assert known.start[option] == float(default), (name, option)


# --- the local executor --------------------------------------------------------------------------------------------


def test_the_settings_of_the_local_executor_are_documented_with_their_defaults() -> None:
    documented = {row[0]: row[1:3] for row in rows(LOCAL, "Configuration")}
    fields: dict[str, Any] = {field.name: field for field in attrs.fields(Settings)}
    assert documented.keys() == fields.keys()
    for name, (required, default) in documented.items():
        field = fields[name]
        assert required == ("yes" if field.default is attrs.NOTHING else "no"), name
        if default == "number of CPUs":
            assert field.default.factory.__name__ == "_cpus"
        elif field.default is not attrs.NOTHING:
            made = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
            expected = {} if attrs.has(type(made)) and made == type(made)() else made
            assert YAML(typ="safe").load(default) == expected, name


@pytest.mark.parametrize("heading", ["Troubleshooting", "When a pull fails"])
def test_every_message_of_a_table_of_remedies_is_one_of_ours(heading: str) -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("core/src", "plugins/local/src")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".sh")
    ]
    for message, *_ in rows(LOCAL, heading):
        parts = message.split("...")  # what is filled in
        assert any(all(part in source for part in parts) for source in sources), message


def test_labels_and_places_of_containers_are_documented() -> None:
    job = evolve(_some_job(), contained=Harness(name="command", script="true", image="alpine", lasting=("cache",)))
    files = [file for need in plan_contained(Settings(output_dir="/out"), job).needs for file in need.files]
    script = next(file.text for file in files if file.path == "smoke/run.sh")
    assert {row[0] for row in rows(LOCAL, "Labels")} == set(re.findall(r"--label (evalyard\.\w+)=", script))
    documented = in_backticks(" ".join(row[0] for row in table(LOCAL, "What a container sees")))
    for target in re.findall(r"target=(/[\w/]+)", script):
        assert any(target.startswith(place.removesuffix("/FOLDER")) for place in documented), target


def test_flags_that_are_refused_are_documented() -> None:
    (text,) = (line for line in LOCAL.prose.splitlines() if "are refused" in line)
    assert in_backticks(text) == {flag for flag in OURS if flag.startswith("--")}


def test_thresholds_in_the_text_are_those_of_the_code() -> None:
    warning, error = checks.FREE_WARNING_BYTES / 2**30, checks.FREE_ERROR_BYTES / 2**30
    assert f"less than {warning:.0f} GiB is a warning, less than {error:.1f} GiB an error" in LOCAL.prose
    assert f"shorter than {SHORTEST_REDACTED} characters" in SECRETS.prose


# --- exporters -----------------------------------------------------------------------------------------------------


def test_the_settings_of_exporters_are_documented_with_their_defaults() -> None:
    assert documented_settings("Keys of every destination") == settings_of(ExportSettings)
    common = settings_of(ExportSettings).keys()
    assert documented_settings("local") == {k: v for k, v in settings_of(LocalSettings).items() if k not in common}
    assert not LocalSettings().copy_artifacts


def test_every_destination_that_is_published_is_documented_with_its_package() -> None:
    documented = {row[0]: row[2].partition("`")[0] for row in rows(EXPORTING, "Exporting results")}
    assert documented == discovery.KNOWN_EXPORTERS


def test_the_example_of_an_exporter_exports(tmp_path: Path) -> None:
    source = next(block.text for block in EXPORTING.blocks if block.file == "notes.py")
    namespace: dict[str, Any] = {}
    exec(compile(source, "notes.py", "exec"), namespace)
    notes = namespace["Notes"]
    context = ExportContext(folder=tmp_path, deadline=0.0)
    (exported,) = notes().export(context, notes.Settings(folder=str(tmp_path)), [job_left(tmp_path / "run")])
    assert Path(exported.where).read_text() == "accuracy 0.75\npass@1 0.5\n"


# --- executors -----------------------------------------------------------------------------------------------------


def test_states_are_documented_with_whether_they_are_final() -> None:
    documented = {row[0]: row[2] for row in rows(OVERVIEW, "States")}
    assert documented == {state.value: "yes" if state.final else "no" for state in JobState}


def hooks() -> dict[str, list[str]]:
    found = {name: getattr(hookspecs, name) for name in dir(hookspecs)}
    return {name: list(signature(hook).parameters) for name, hook in found.items() if hasattr(hook, "evalyard_spec")}


def test_hooks_are_documented_with_their_arguments_and_whether_they_are_required() -> None:
    documented = {row[0]: row[1] for row in rows(HOOKS, "The hooks")}
    assert documented == {f"{name}({', '.join(arguments)})": _required(name) for name, arguments in hooks().items()}


def _required(hook: str) -> str:
    if hook in hookspecs.OBSERVED:
        return "for extensions"
    return "yes" if hook in hookspecs.REQUIRED else "no"


def test_the_reference_of_hooks_says_what_the_docstrings_say() -> None:
    assert HOOKS.path.read_text(encoding="utf-8") == hooks_page(), "python -m tests.docs.hooks writes it"


def test_the_reference_of_public_names_says_what_the_docstrings_say() -> None:
    assert NAMES.path.read_text(encoding="utf-8") == names_page(), "python -m tests.docs.reference writes it"


def test_every_public_name_has_a_place_in_one_of_the_references() -> None:
    shown = f"{HOOKS.prose}\n{NAMES.prose}"
    named = {*re.findall(r"^### (\w+)$", shown, flags=re.MULTILINE), *(row[0] for row in rows(NAMES, "Constants"))}
    assert {*evalyard.__all__} - named == ELSEWHERE - named


def test_every_public_name_is_told_of() -> None:
    headings_alone = re.findall(r"^### (\w+)\n+(?=##)", NAMES.prose, flags=re.MULTILINE)
    assert headings_alone == []
    assert [row[0] for row in rows(NAMES, "Constants") if not row[2]] == []


def test_the_attributes_of_the_kit_are_told_in_its_docstring() -> None:
    told = re.findall(r"^ +(\w+): ", (Conformance.__doc__ or "").partition("Attributes:")[2], flags=re.MULTILINE)
    assert {*told} == {*inspect.get_annotations(Claims)}


def test_the_attributes_of_the_context_are_told_in_its_docstring() -> None:
    told = re.findall(r"^ +(\w+): ", (Context.__doc__ or "").partition("Attributes:")[2], flags=re.MULTILINE)
    assert {*told} == {name for name in attrs.fields_dict(Context) if not name.startswith("_")}


def test_capabilities_are_the_hooks_that_are_not_required() -> None:
    assert {
        row[0] for row in rows(OVERVIEW, "Capabilities")
    } == hooks().keys() - hookspecs.REQUIRED - hookspecs.OBSERVED


def test_the_example_of_an_executor_fits_the_hooks_and_plans() -> None:
    source = next(block.text for block in CUSTOM.blocks if block.file == "plugin.py")
    namespace: dict[str, Any] = {}
    exec(compile(source, "plugin.py", "exec"), namespace)
    executor = namespace["Mine"]
    section = load(ASKED, "execution={type: mine, output_dir: /out, host: cluster}", "~execution.use_docker").execution
    settings = structure(section, executor.Settings)
    job = _some_job()
    plan = Session(executor, settings.connection()).plan(settings, job)
    assert plan.argv[0] == "submit"
    assert settings.connection() == Connection(executor="mine", address={"host": "cluster"})


def test_the_example_of_scripts_for_containers_fits_a_job() -> None:
    source = next(block.text for block in CUSTOM.blocks if block.file == "contained.py")
    namespace: dict[str, Any] = {}
    exec(compile(source, "contained.py", "exec"), namespace)
    job = evolve(_some_job(), contained=Harness(name="command", script="true", image="alpine"))
    outside, inside = namespace["scripts"](job)
    assert (outside.path, inside.path) == ("smoke/run.sh", "smoke/inside.sh")
    assert "'alpine' sh /evalyard/job/inside.sh" in outside.text


def test_the_example_without_a_shared_disk_brings_a_job_home(tmp_path: Path) -> None:
    source = next(block.text for block in CUSTOM.blocks if block.file == "carried.py")
    namespace: dict[str, Any] = {}
    exec(compile(source, "carried.py", "exec"), namespace)
    leave = 'echo hello; echo "results: {}" >"$EVALYARD_OUTPUT_DIR/results.yml"'
    job = evolve(_some_job(), contained=Harness(name="command", script=leave, results=ResultFile()))
    variables = {"EVALYARD_LAUNCH": job.mark, "EVALYARD_ATTEMPT": "1", PLACE_VARIABLE: str(tmp_path / "box")}
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), **variables}
    ran = subprocess.run(namespace["command"](job), env=environ, capture_output=True, text=True, check=True)
    log = ran.stdout.splitlines()
    assert "hello" in namespace["for_readers"](log)
    assert len(namespace["for_readers"](log)) < len(log)
    brought = namespace["bring"](log, job.mark, tmp_path / "home")
    assert {*brought} >= {"artifacts/results.yml", "logs/stdout.log", "attempts/1/exit.json"}
    with pytest.raises(Transient, match="not in the log yet"):
        namespace["bring"](log[:-1], job.mark, tmp_path / "home")


def _some_job() -> Job:
    spec = load(ASKED)
    return Job(
        invocation="0123abcd",
        number=1,
        attempt=1,
        mark="0" * 32,
        task=spec.tasks[0],
        harness=Harness(name="command", script="true"),
        endpoint=spec.endpoint,
        run_dir="/out/run",
        folder="smoke",
    )


def test_parts_for_batch_schedulers_are_documented() -> None:
    public = {name for name, home in _HOME_OF.items() if home.startswith("evalyard.batch.")}
    assert {row[0] for row in rows(BATCH, "Batch schedulers")} == public - {"is_word"}
    placeholder = re.compile(r"\{\w+\}")
    documented = placeholder.findall(" ".join(row[0] for row in rows(BATCH, "Commands")))
    assert set(documented) == set(placeholder.findall(BatchSystem.__doc__ or ""))


@pytest.mark.parametrize(("page", "heading"), [(README, "Executors"), (OVERVIEW, "Executors")])
def test_executors_are_called_planned_until_they_are_in_this_repository(page: Page, heading: str) -> None:
    documented = {row[0]: row[-1] for row in rows(page, heading)}
    assert documented.keys() == discovery.KNOWN_PACKAGES.keys()
    for name, state in documented.items():
        assert state.startswith("planned") is not (REPOSITORY / "plugins" / name).is_dir(), name


# --- command line --------------------------------------------------------------------------------------------------

COMMAND_NAMES = [heading.removeprefix("evalyard ") for heading in headings(COMMANDS) if heading.startswith("evalyard ")]


def said(*arguments: str) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
        call(arguments)
    return text.getvalue()


def test_every_command_is_documented() -> None:
    listed = set(re.findall(r"^│ (\w+) {2,}", said("--help"), flags=re.MULTILINE))
    assert listed == set(COMMAND_NAMES)


@pytest.mark.parametrize("command", COMMAND_NAMES)
def test_the_options_of_a_command_are_documented(command: str) -> None:
    parts = {"ls": ("tasks", "runs", "examples", "executors"), "plugin": ("new",)}.get(command, ("",))
    called = [f"{command} {part}" for part in parts]
    helps = "\n".join(said(*name.split(), "--help") for name in called)
    options = set(re.findall(r"^│ \*? *(--[a-z-]+)", helps, flags=re.MULTILINE))
    text = section(COMMANDS, f"evalyard {command}")
    documented = {match.split()[0] for match in re.findall(r"^\| `(--[^`]+)`", text, flags=re.MULTILINE)}
    assert documented == options


def test_exit_codes_are_documented() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")} | {EXIT_BUG}
    assert {int(row[0]) for row in rows(COMMANDS, "Exit codes")} == codes


def fields_of(command: str, what: str = "") -> set[str]:
    text = section(COMMANDS, command)
    match = re.search(rf"JSON fields{what}: (.+?)(?:\. |\.\n|\.$)", text, flags=re.DOTALL)
    assert match is not None
    return in_backticks(match[1])


def test_json_fields_are_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = str(REPOSITORY / "examples" / "quickstart.yaml")

    def keys(*arguments: str) -> set[str]:
        data = json.loads(said(*arguments, "--json"))
        return set((data[0] if isinstance(data, list) else data).keys())

    assert keys("run", "--config", config, "--wait") == fields_of("evalyard run")
    assert keys("run", "--config", config, "--dry-run") == {"configuration", "needs", "plans"}
    assert keys("status") == fields_of("evalyard status")
    assert keys("results") == fields_of("evalyard results")
    assert keys("export", "--dest", "local") == fields_of("evalyard export")
    assert keys("info") == fields_of("evalyard info")
    job = json.loads(said("info", "--json"))["jobs"][0]
    assert job.keys() - fields_of("evalyard status") == {"backend_id", "log", "artifacts", "script"}
    for kind in ("tasks", "runs", "examples", "executors"):
        assert keys("ls", kind) == fields_of("evalyard ls", f" of `ls {kind}`")
    assert {field.name for field in attrs.fields(Leftover)} == fields_of("evalyard gc")
    assert keys("validate", config) == fields_of("evalyard validate")
    assert keys("doctor", "--config", config) == fields_of("evalyard doctor")

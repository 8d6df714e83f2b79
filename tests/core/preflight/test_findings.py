import os
from collections.abc import Mapping
from pathlib import Path

import pytest

import evalyard
from evalyard.plugins.discovery import Installed, LoadFailure
from evalyard.preflight import findings as preflight
from evalyard.preflight.findings import (
    endpoint_findings,
    executor_findings,
    machine_findings,
    python_finding,
    secret_findings,
    worst,
)
from evalyard.records.files import PlannedFile, SecretRef
from evalyard.records.findings import Finding, Severity
from evalyard.records.plans import Need, NeedKind, Plan
from evalyard.specs import CommandSpec, DeploymentSpec, EndpointSpec, EnvValue, RunSpec, Section, TaskSpec, ValueSource
from tests.core.harness.smoke_servers import demo_endpoint
from tests.core.preflight.endpoint_servers import raw_endpoint, reply, unused_url

CANARY = "sk-canary-0d5b77"

COMMAND = CommandSpec(command="true")


def finding(severity: Severity) -> Finding:
    return Finding(severity=severity, subject="x", message="y")


def spec(
    url: str | None,
    *tasks: TaskSpec,
    key_name: str | None = None,
    model: str | None = "demo",
    deployment: DeploymentSpec | None = None,
) -> RunSpec:
    return RunSpec(
        source="run.yaml",
        tasks=tasks or (TaskSpec(name="smoke"),),
        endpoint=EndpointSpec(url=url, model_id=model, api_key_name=key_name),
        deployment=deployment,
        execution=Section(name="fake", path="execution", data={}),
    )


def plan(number: int, *refs: SecretRef) -> Plan:
    files = (PlannedFile(path=f"t{number}/.secrets.env", secrets=refs),)
    needs = (Need(key="files", kind=NeedKind.FILES, files=files),)
    return Plan(job=f"a1b2c3d4.{number}", task="t", attempt=1, name="n", mark="m", directory="/r", needs=needs)


def ref(variable: str, name: str = "TOKEN") -> SecretRef:
    return SecretRef(name=name, variable=variable, where="run.yaml:7")


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], Severity.OK),
        ([Severity.OK, Severity.WARNING, Severity.OK], Severity.WARNING),
        ([Severity.ERROR, Severity.WARNING], Severity.ERROR),
    ],
)
def test_the_worst_finding_counts(severities: list[Severity], expected: Severity) -> None:
    assert worst(map(finding, severities)) is expected


def test_a_good_machine_has_no_complaints() -> None:
    found = {item.subject: item for item in machine_findings()}
    assert worst(found.values()) is Severity.OK
    assert found["evalyard"].message == evalyard.__version__
    assert "GiB free" in found["records"].message


def test_looking_at_the_machine_makes_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALYARD_HOME", str(tmp_path / "a" / "b"))
    assert worst(machine_findings()) is Severity.OK
    assert list(tmp_path.iterdir()) == []


def test_an_old_python_is_an_error_with_a_command() -> None:
    found = python_finding((3, 10, 4))
    assert (found.severity, found.message) == (Severity.ERROR, "3.10.4 is older than 3.11")
    assert found.remedy == "python3.11 -m pip install evalyard"


def test_a_state_home_below_a_file_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVALYARD_HOME", str(tmp_path / "file" / "home"))
    (found,) = (item for item in machine_findings() if item.subject == "records")
    assert found.severity is Severity.ERROR
    assert "is not a folder" in found.message
    assert "export EVALYARD_HOME=" in found.remedy


def test_a_state_home_without_permission_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALYARD_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = (item for item in machine_findings() if item.subject == "records")
    assert f"no permission for {tmp_path}" in found.message


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LITTLE_SPACE_BYTES", 2**80)
    assert worst(machine_findings()) is Severity.WARNING


def test_each_executor_is_good_or_says_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str) -> Installed:
        return Installed(group="g", name=name, package=f"evalyard-{name}", version="1.2", target="m:C")

    broken = LoadFailure(plugin=made("slurm"), reason="cannot be loaded: ImportError")
    monkeypatch.setattr(preflight, "check_executors", lambda: (made("local"), broken))
    good, bad = executor_findings()
    assert (good.severity, good.message) == (Severity.OK, "evalyard-local 1.2")
    assert (bad.severity, bad.message) == (Severity.ERROR, "cannot be loaded: ImportError")
    assert bad.remedy == "pip install --upgrade evalyard evalyard-slurm"
    twice = LoadFailure(plugin=made("slurm"), reason="claimed by two", remedy="uninstall all but one")
    monkeypatch.setattr(preflight, "check_executors", lambda: (twice,))
    assert executor_findings()[0].remedy == "uninstall all but one"


def test_no_executor_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check_executors", lambda: ())
    (found,) = executor_findings()
    assert (found.severity, found.message) == (Severity.ERROR, "no executor is installed")
    assert found.remedy == "pip install evalyard-local"


def test_an_unset_variable_is_named_with_its_place_and_one_that_is_set_without_its_value() -> None:
    plans = [plan(1, ref("HF", "HF_TOKEN"), ref("GONE")), plan(2, ref("HF", "OTHER"))]
    there, gone = secret_findings(plans, {"HF": CANARY})
    assert (there.severity, there.subject, there.message) == (Severity.OK, "variable HF", "set")
    assert (gone.severity, gone.subject) == (Severity.ERROR, "variable GONE")
    assert gone.message == "not set (wanted by run.yaml:7)"
    assert gone.remedy.startswith("export GONE=... ")
    assert "--env-file FILE" in gone.remedy


def test_an_empty_variable_is_a_warning() -> None:
    (found,) = secret_findings([plan(1, ref("EMPTY"))], {"EMPTY": ""})
    assert (found.severity, found.message) == (Severity.WARNING, "empty (wanted by run.yaml:7)")


def test_an_endpoint_that_the_run_serves_is_not_asked() -> None:
    (found,) = endpoint_findings(spec(None, deployment=DeploymentSpec(type="demo")), {})
    assert found.severity is Severity.OK
    assert "served by the run itself" in found.message


def test_a_good_endpoint_is_asked_once_for_each_type_of_the_tasks() -> None:
    tasks = [TaskSpec(name="own", harness=COMMAND, endpoint_type=kind) for kind in ("chat", "completions", "chat")]
    with raw_endpoint(reply(200, {"choices": [{"text": "1"}]})) as server:
        found = endpoint_findings(spec(server.url, *tasks), {})
    assert [item.severity for item in found] == [Severity.OK, Severity.OK]
    assert len(server.requests) == 2


def test_the_model_is_asked_of_the_endpoint_when_none_is_named() -> None:
    with demo_endpoint(models=("its-own",)) as url:
        (found,) = endpoint_findings(spec(f"{url}/v1/chat/completions", model=None), {})
    assert "for model 'its-own'" in found.message


def test_several_models_and_none_named_are_an_error() -> None:
    with demo_endpoint(models=("a", "b")) as url:
        (found,) = endpoint_findings(spec(f"{url}/v1/chat/completions", model=None), {})
    assert (found.severity, found.unreachable) == (Severity.ERROR, False)
    assert "-o target.api_endpoint.model_id=NAME" in found.remedy


@pytest.mark.parametrize("model", ["demo", None])
def test_an_endpoint_that_is_not_there_is_unreachable(model: str | None) -> None:
    (found,) = endpoint_findings(spec(unused_url(), model=model), {})
    assert found.unreachable


@pytest.mark.parametrize(
    ("env", "environ"),
    [
        ({}, {"MY_KEY": CANARY}),
        ({"MY_KEY": EnvValue(source=ValueSource.HOST, text="OTHER")}, {"OTHER": CANARY, "MY_KEY": "wrong"}),
        ({"MY_KEY": EnvValue(source=ValueSource.LITERAL, text=CANARY)}, {}),
    ],
)
def test_the_key_comes_from_where_the_task_takes_it(env: dict[str, EnvValue], environ: Mapping[str, str]) -> None:
    with demo_endpoint(api_key=CANARY) as url:
        task = TaskSpec(name="smoke", env=env)
        (found,) = endpoint_findings(spec(f"{url}/v1/chat/completions", task, key_name="MY_KEY"), environ)
    assert found.severity is Severity.OK, found


def test_a_wrong_key_is_blamed_on_the_variable_that_holds_it() -> None:
    env = {"MY_KEY": EnvValue(source=ValueSource.HOST, text="OTHER")}
    with demo_endpoint(api_key="right-key") as url:
        task = TaskSpec(name="smoke", env=env)
        config = spec(f"{url}/v1/chat/completions", task, key_name="MY_KEY", model=None)
        (found,) = endpoint_findings(config, {"OTHER": CANARY})
    assert "the API key in OTHER" in found.message
    assert CANARY not in found.message + found.remedy


def test_an_unset_key_is_one_error_and_nothing_is_asked() -> None:
    tasks = [TaskSpec(name="own", harness=COMMAND, endpoint_type=kind) for kind in ("chat", "completions")]
    with raw_endpoint(reply(200, {})) as server:
        (found,) = endpoint_findings(spec(server.url, *tasks, key_name="MY_KEY"), {})
    assert (found.severity, found.subject, found.message) == (Severity.ERROR, "variable MY_KEY", "not set")
    assert server.requests == []


def test_a_key_that_only_the_job_can_see_leaves_the_endpoint_unasked_and_says_so() -> None:
    task = TaskSpec(name="smoke", env={"MY_KEY": EnvValue(source=ValueSource.RUNTIME, text="THERE")})
    with raw_endpoint(reply(200, {})) as server:
        (found,) = endpoint_findings(spec(server.url, task, key_name="MY_KEY"), {})
    assert found.severity is Severity.WARNING
    assert "MY_KEY has its value only where the job runs" in found.message
    assert server.requests == []


def test_neither_url_nor_deployment_is_an_error() -> None:
    (found,) = endpoint_findings(spec(None), {})
    assert found.severity is Severity.ERROR
    assert "-o target.api_endpoint.url=" in found.remedy

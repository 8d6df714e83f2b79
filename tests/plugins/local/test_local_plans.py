"""evalyard_local.plans: one job to everything that is written and started for it, exactly and purely."""

from __future__ import annotations

import builtins
import os
import socket
import subprocess
import sys
from typing import Any, NoReturn

import pytest
from attrs import evolve

from evalyard import (
    Binding,
    ConfigError,
    Need,
    NeedKind,
    Plan,
    PlannedFile,
    ResultFile,
    Server,
    job_script,
    server_script,
    with_server_script,
)
from evalyard.records.files import SecretRef
from evalyard_local.plans import plan_job
from evalyard_local.settings import Pull, Settings
from tests.plugins.local.attempts import MARK, make_job, make_server

SETTINGS = Settings(
    output_dir="/out", use_docker=False, max_parallel=3, kill_grace_s=4.5, endpoint_readiness_timeout=77
)
OWN_FILES = (
    PlannedFile(path="config.yaml", text="tasks: []\n"),
    PlannedFile(path="smoke/.secrets.env", mode=0o600, secrets=(SecretRef(name="KEY", variable="MY_KEY"),)),
)
HARNESS_FILES = (PlannedFile(path="smoke/run_config.yml", text="a: 1\n"),)


def job_with_files(**more: Any) -> Any:
    job = make_job("evaluate", results="results.yml", **more)
    return evolve(job, secret_variables=("MY_KEY",), files=OWN_FILES, harness=evolve(job.harness, files=HARNESS_FILES))


def test_a_plan_against_an_endpoint_is_exactly_this() -> None:
    job = job_with_files()
    script = PlannedFile(path="smoke/run.sh", text=job_script(job, ready_timeout_s=77), mode=0o755)
    assert plan_job(SETTINGS, job) == Plan(
        job="a1b2c3d4.1",
        task="smoke",
        attempt=1,
        name="ey-a1b2c3d4-1-1",
        mark=MARK,
        directory="/run/smoke",
        argv=("sh", "run.sh"),
        environment={"EVALYARD_PYTHON": sys.executable},
        bindings={},
        needs=(
            Need(
                key="files",
                kind=NeedKind.FILES,
                directory="/run",
                files=(script, *OWN_FILES, *HARNESS_FILES),
            ),
        ),
        payload={"withheld": ["MY_KEY"]},
        concurrency=3,
        grace_s=4.5,
        results=ResultFile(),
        notes=(),
    )


def test_a_plan_with_a_deployment_is_exactly_this() -> None:
    served = evolve(make_server(port=8123), files=(PlannedFile(path="deployment/.secrets.env", mode=0o600),))
    job = job_with_files(server=served)
    scripts = (
        PlannedFile(path="smoke/run.sh", text=job_script(job, ready_timeout_s=77), mode=0o755),
        *OWN_FILES,
        *HARNESS_FILES,
        PlannedFile(path="deployment/run.sh", text=server_script(served, "a1b2c3d4", host="127.0.0.1"), mode=0o755),
        PlannedFile(path="deployment/with_server.sh", text=with_server_script(served), mode=0o755),
        *served.files,
    )
    plan = plan_job(SETTINGS, job)
    assert plan.needs == (
        Need(key="files", kind=NeedKind.FILES, directory="/run", files=scripts),
        Need(
            key="server",
            kind=NeedKind.SERVER,
            directory="/run/deployment",
            argv=("sh", "run.sh"),
            environment={"EVALYARD_PYTHON": sys.executable},
            payload={"section": "deployment", "port": 8123, "grace_s": 4.5, "withheld": ["MY_KEY"]},
            health_path="/health",
        ),
    )
    assert plan.bindings == {
        "EVALYARD_BASE_URL": Binding(need="server", output="base_url"),
        "EVALYARD_SERVER_EXIT": Binding(need="server", output="exit_file"),
    }
    assert evolve(plan, needs=(), bindings={}) == evolve(plan_job(SETTINGS, job_with_files()), needs=())


@pytest.mark.parametrize("port", [0, 8123])
def test_the_port_is_handed_on_as_asked_for(port: int) -> None:
    need = plan_job(SETTINGS, make_job(server=make_server(port=port))).needs[1]
    assert need.payload["port"] == port


def test_tasks_of_one_run_share_one_server() -> None:
    job = make_job(server=make_server())
    other = evolve(job, number=2, folder="other", task=evolve(job.task, name="other"))
    assert plan_job(SETTINGS, job).needs[1] == plan_job(SETTINGS, other).needs[1]


def judge(**more: Any) -> Server:
    return evolve(make_server(**more), name="judge", env_prefix="JUDGE")


def test_a_further_server_is_one_more_need_with_files_and_variables_of_its_own() -> None:
    job = evolve(make_job(server=make_server()), auxiliary=(judge(port=0),))
    plan = plan_job(SETTINGS, job)
    assert [need.key for need in plan.needs] == ["files", "server", "aux-judge"]
    assert plan.needs[2].directory == "/run/deployment-judge"
    assert plan.bindings["EVALYARD_JUDGE_BASE_URL"] == Binding(need="aux-judge", output="base_url")
    assert plan.bindings["EVALYARD_JUDGE_SERVER_EXIT"] == Binding(need="aux-judge", output="exit_file")
    written = {file.path for file in plan.needs[0].files}
    assert {f"deployment{name}/{file}" for name in ("", "-judge") for file in ("run.sh", "with_server.sh")} < written


def test_servers_that_want_the_same_port_are_refused_and_free_ones_never_clash() -> None:
    job = make_job(server=make_server(port=8000))
    with pytest.raises(ConfigError, match=r"auxiliary_deployments.judge.port: 8000 is the port of deployment too"):
        plan_job(SETTINGS, evolve(job, auxiliary=(judge(port=8000),)))
    free = evolve(make_job(server=make_server(port=0)), auxiliary=(judge(port=0),))
    assert len(plan_job(SETTINGS, free).needs) == 3


def test_a_further_servers_image_beside_host_mode_is_refused_by_its_own_name() -> None:
    with pytest.raises(ConfigError, match=r"auxiliary_deployments.judge.image: 'img' is a container"):
        plan_job(SETTINGS, evolve(make_job(), auxiliary=(judge(image="img"),)))


def test_an_image_beside_host_mode_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        plan_job(SETTINGS, make_job(server=make_server(image="vllm/vllm-openai:v0.6")))
    assert caught.value.problems == (
        "deployment.image: 'vllm/vllm-openai:v0.6' is a container, and execution.use_docker is false",
    )
    assert caught.value.hint == "leave the image out and give deployment.command, to serve as a host process"


def test_ignored_settings_are_one_note() -> None:
    plan = plan_job(evolve(SETTINGS, pull=Pull.ALWAYS, extra_docker_args="--gpus all"), make_job())
    assert plan.notes == ("without Docker these settings mean nothing: extra_docker_args, pull",)


def test_no_secret_but_its_name_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-canary")
    assert "sk-canary" not in repr(plan_job(SETTINGS, job_with_files(server=make_server())))


def test_planning_touches_nothing_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_with_files(server=make_server())
    first = plan_job(SETTINGS, job)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("planning is pure")

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", refuse)
        patched.setattr(os, "open", refuse)
        patched.setattr(os, "mkdir", refuse)
        patched.setattr(socket, "socket", refuse)
        patched.setattr(subprocess, "Popen", refuse)
        again = plan_job(SETTINGS, job)
    assert again == first

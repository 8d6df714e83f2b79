"""evalyard_local.docker.plans: one job to everything that is written and started for it in containers, purely."""

from __future__ import annotations

import builtins
import os
import socket
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pytest
from attrs import evolve

from evalyard import (
    Binding,
    Need,
    NeedKind,
    Plan,
    PlannedFile,
    ResultFile,
    inside_script,
    inside_server_script,
)
from evalyard.records.files import SecretRef
from evalyard_local.docker.images import image_need
from evalyard_local.docker.plans import plan_contained
from evalyard_local.settings import Keep, Pull
from tests.core.harness.jobs import SHELLS, argv
from tests.plugins.local.attempts import MARK
from tests.plugins.local.docker.planning import (
    IMAGE,
    SERVER_IMAGE,
    SETTINGS,
    contained_job,
    model_server,
    text_of,
    words_of,
)

USER = {"EVALYARD_IMAGE_USER": Binding(need=image_need(IMAGE, "missing").key, output="user")}


# --- plans ------------------------------------------------------------------------------------------------------------


def test_a_plan_against_an_endpoint_is_exactly_this() -> None:
    own = PlannedFile(path="smoke/.secrets.env", mode=0o600, secrets=(SecretRef(name="KEY", variable="MY_KEY"),))
    config = PlannedFile(path="smoke/run_config.yml", text="a: 1\n")
    job = evolve(contained_job(files=(config,)), files=(own,))
    plan = plan_contained(SETTINGS, job)
    scripts = (
        own,
        config,
        PlannedFile(path="smoke/run.sh", text=text_of(plan), mode=0o755),
        PlannedFile(path="smoke/inside.sh", text=inside_script(job), mode=0o755),
    )
    assert plan == Plan(
        job="a1b2c3d4.1",
        task="smoke",
        attempt=1,
        name="ey-a1b2c3d4-1-1",
        mark=MARK,
        directory="/run/smoke",
        argv=("sh", "run.sh"),
        environment={"EVALYARD_CONTAINER": "ey-a1b2c3d4-1-1-smoke"},
        bindings=USER,
        needs=(
            Need(key="files", kind=NeedKind.FILES, directory="/run", files=scripts),
            image_need(IMAGE, "missing"),
        ),
        payload={
            "withheld": ["MY_KEY"],
            "keep": "failed",
            "results": "results.yml",
            "network": "",
            "probe_url": "http://endpoint.test/",
        },
        image=IMAGE,
        concurrency=3,
        grace_s=4.5,
        results=ResultFile(file="results.yml"),
        notes=(),
    )


def test_the_top_of_a_script_is_exactly_this() -> None:
    secrets = PlannedFile(path="smoke/.secrets.env", mode=0o600)
    files = (PlannedFile(path="smoke/run_config.yml"), PlannedFile(path=".harness/smoke/cli.py"))
    job = evolve(contained_job(files=files, lasting=("cache",)), files=(secrets,))
    assert (
        text_of(plan_contained(SETTINGS, job)).partition("# From here on: the same")[0]
        == """\
#!/bin/sh
# smoke, evalyard job a1b2c3d4.1.
# Run it again by hand, as often as you like, from any folder:  sh run.sh
set -u
CDPATH= cd -- "$(dirname -- "$0")" || exit 1

title='smoke (a1b2c3d4.1)'
log='logs/stdout.log'
results='results.yml'   # the file in artifacts/ without which success is none
# Each model server that it uses: what its variables begin with, folder, health, name, what asks there.
servers=''
ready_timeout=77   # seconds

# The environment; secrets are in .secrets.env and reach only the process that needs them.
prepare() {
  export PYTHONUNBUFFERED='1'
  export NEMO_EVALUATOR_TELEMETRY_LEVEL='0'
  export EVALYARD_TASK='smoke'
  export EVALYARD_MODEL_ID='m'
  export EVALYARD_ENDPOINT_TYPE='chat'
  export EVALYARD_API_KEY_NAME=''
  export EVALYARD_ENDPOINT_URL='http://endpoint.test/v1'
}

# What is run.
program() {
cat <<'END_OF_PROGRAM'
# The container that runs it; what happens in it is in inside.sh.
here=$(pwd)
image='img:1'
container=${EVALYARD_CONTAINER:-"ey-a1b2c3d4-1-1-smoke-by-hand-$$"}
made_network=
mkdir -p "$here"/'../../cache'
set -- \\
  --init \\
  --name "$container" \\
  --label evalyard.invocation='a1b2c3d4' \\
  --label evalyard.job='a1b2c3d4.1' \\
  --label evalyard.task='smoke' \\
  --label evalyard.role='client' \\
  --label evalyard.attempt="$EVALYARD_ATTEMPT" \\
  --label evalyard.name="${EVALYARD_NAME:-$container}" \\
  --label evalyard.token="${EVALYARD_LAUNCH:-by-hand}" \\
  --label evalyard.owner="${EVALYARD_OWNER:-}" \\
  --mount type=bind,source="$here"/'artifacts','target=/results' \\
  --mount type=bind,source="$here"/'inside.sh','target=/evalyard/job/inside.sh,readonly' \\
  --mount type=bind,source="$here"/'run_config.yml','target=/evalyard/job/run_config.yml,readonly' \\
  --mount type=bind,source="$here"/'.secrets.env','target=/evalyard/job/.secrets.env,readonly' \\
  --mount type=bind,source="$here"/'../.harness','target=/evalyard/harness,readonly' \\
  --mount type=bind,source="$here"/'../../cache','target=/evalyard/output/cache' \\
  --mount type=bind,source="$here"/'logs/stdout.log','target=/evalyard/log' \\
  --env EVALYARD_API_KEY_NAME \\
  --env EVALYARD_ENDPOINT_TYPE \\
  --env EVALYARD_ENDPOINT_URL \\
  --env EVALYARD_MODEL_ID \\
  --env EVALYARD_TASK \\
  --env NEMO_EVALUATOR_TELEMETRY_LEVEL \\
  --env PYTHONUNBUFFERED \\
  --env EVALYARD_CONTAINER \\
  --env EVALYARD_ATTEMPT \\
  --env 'EVALYARD_JOB_DIR=/evalyard/job' \\
  --env 'EVALYARD_OUTPUT_DIR=/results' \\
  --env ADAPTER_PORT="$((10000 + $$ % 20000))" \\
  --entrypoint sh "$image" \\
  '/evalyard/job/inside.sh'

"""
    )


def test_a_plan_with_a_deployment_is_exactly_this() -> None:
    served = model_server(port=8123, literals={"A": "1"}, runtime={"B": "C"})
    job = contained_job(server=served)
    plan = plan_contained(SETTINGS, job)
    assert [file.path for file in plan.needs[0].files] == [
        "deployment/run.sh",
        "deployment/inside.sh",
        "deployment/with_server.sh",
        "smoke/run.sh",
        "smoke/inside.sh",
    ]
    assert text_of(plan, "deployment/inside.sh") == inside_server_script(served, "a1b2c3d4")
    assert plan.needs[1:] == (
        image_need(IMAGE, "missing"),
        image_need(SERVER_IMAGE, "missing"),
        Need(
            key="server",
            kind=NeedKind.SERVER,
            directory="/run/deployment",
            argv=("sh", "run.sh"),
            payload={
                "port": 8123,
                "base_url": "http://model:8123",
                "section": "deployment",
                "container_variable": "EVALYARD_SERVER_CONTAINER",
                "grace_s": 4.5,
                "keep": "failed",
                "withheld": ["MY_KEY"],
            },
            health_path="/health",
        ),
    )
    assert plan.bindings == USER | {
        "EVALYARD_BASE_URL": Binding(need="server", output="base_url"),
        "EVALYARD_SERVER_EXIT": Binding(need="server", output="exit_file"),
        "EVALYARD_SERVER_CONTAINER": Binding(need="server", output="container"),
        "EVALYARD_NETWORK": Binding(need="server", output="network"),
    }
    assert plan.payload["probe_url"] == ""
    assert words_of(plan)[words_of(plan).index("--network") + 1] == "$EVALYARD_NETWORK"
    words = words_of(plan, "deployment/run.sh")
    assert words[words.index("--network") :] == [
        *("--network", "$EVALYARD_NETWORK", "--network-alias", "model"),
        *("--entrypoint", "sh", "$image", "/evalyard/job/inside.sh"),
    ]
    passed = [after for word, after in pairwise(words) if word == "--env"]
    assert {"A", "B", "PORT", "HOST"} <= set(passed)
    assert "EVALYARD_BASE_URL=http://model:$PORT" in text_of(plan, "deployment/with_server.sh")
    assert "docker network create" in text_of(plan, "deployment/run.sh")


def test_a_server_without_a_port_of_its_own_has_one_in_its_container() -> None:
    need = plan_contained(SETTINGS, contained_job(server=model_server())).needs[-1]
    assert (need.payload["port"], need.payload["base_url"]) == (8000, "http://model:8000")


def test_tasks_of_one_run_share_one_server_and_its_scripts() -> None:
    job = contained_job(server=model_server())
    other = evolve(job, number=2, folder="other", task=evolve(job.task, name="other"))
    one, two = plan_contained(SETTINGS, job), plan_contained(SETTINGS, other)
    assert one.needs[1:] == two.needs[1:]
    for path in ("deployment/run.sh", "deployment/inside.sh", "deployment/with_server.sh"):
        assert text_of(one, path) == text_of(two, path)


def test_the_settings_reach_the_plan() -> None:
    settings = evolve(SETTINGS, pull=Pull.ALWAYS, keep=Keep.ALL, cpus=1.5, memory="16g", shm_size="1g")
    plan = plan_contained(settings, contained_job(server=model_server()))
    assert plan.payload["keep"] == plan.needs[-1].payload["keep"] == "all"
    assert plan.needs[1:3] == (image_need(IMAGE, "always"), image_need(SERVER_IMAGE, "always"))
    for path in ("smoke/run.sh", "deployment/run.sh"):
        words = words_of(plan, path)
        start = words.index("--cpus")
        assert words[start : start + 6] == ["--cpus", "1.5", "--memory", "16g", "--shm-size", "1g"]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("smoke", "smoke"),
        ("lm-eval.MMLU (5 shots)!", "lm-eval-mmlu-5-shots"),
        ("日本", "task"),
        ("x" * 80, "x" * 40),
        (f"{'x' * 39}-y", "x" * 39),
    ],
)
def test_a_containers_name_says_which_task_it_is(task: str, name: str) -> None:
    job = contained_job()
    plan = plan_contained(SETTINGS, evolve(job, task=evolve(job.task, name=task)))
    assert plan.environment["EVALYARD_CONTAINER"] == f"ey-a1b2c3d4-1-1-{name}"


# --- networks ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_of_this_machine_is_asked_over_its_own_network_and_the_plan_says_so() -> None:
    plan = plan_contained(SETTINGS, contained_job(url="http://localhost:8000/v1"))
    words = words_of(plan)
    assert words[words.index("--network") + 1] == "$network"
    assert "network=host\n" in text_of(plan)
    need = image_need(IMAGE, "missing").key
    assert plan.bindings == USER | {"EVALYARD_DOCKER_PLATFORM": Binding(need=need, output="platform")}
    assert plan.payload["network"] == "host"
    (note,) = plan.notes
    assert note.startswith("the endpoint is on this machine, so containers share its network")


@pytest.mark.parametrize(
    ("extra", "network", "host", "alias"),
    [
        ("--network mine", "mine", "model", True),
        (("--network=host",), "host", "127.0.0.1", False),
        ("--network name=mine,alias=web", "mine", "model", True),
    ],
)
def test_a_users_own_network_is_the_only_one(extra: Any, network: str, host: str, alias: bool) -> None:
    settings = evolve(SETTINGS, extra_docker_args=extra)
    local = plan_contained(settings, contained_job(url="http://localhost:8000/v1"))
    assert (local.payload["network"], local.notes) == (network, ())
    served = plan_contained(settings, contained_job(server=model_server()))
    assert served.needs[-1].payload["base_url"] == f"http://{host}:8000"
    assert f"EVALYARD_BASE_URL=http://{host}:$PORT" in text_of(served, "deployment/with_server.sh")
    assert ("--network-alias" in words_of(served, "deployment/run.sh")) is alias
    for plan, path in ((local, "smoke/run.sh"), (served, "smoke/run.sh"), (served, "deployment/run.sh")):
        assert len([word for word in words_of(plan, path) if word.partition("=")[0] == "--network"]) == 1
        assert "docker network create" not in text_of(plan, path)


def test_extra_flags_are_the_last_before_the_image_of_both() -> None:
    plan = plan_contained(
        evolve(SETTINGS, extra_docker_args="--ipc host -e 'A=b c'"), contained_job(server=model_server())
    )
    for path in ("smoke/run.sh", "deployment/run.sh"):
        assert words_of(plan, path)[-8:-4] == ["--ipc", "host", "-e", "A=b c"]


def test_a_published_port_is_the_servers_and_for_this_machine_only() -> None:
    plan = plan_contained(evolve(SETTINGS, publish_port=9000), contained_job(server=model_server()))
    words = words_of(plan, "deployment/run.sh")
    assert words[words.index("--publish") + 1] == "127.0.0.1:9000:$PORT"
    assert "--publish" not in words_of(plan)


@pytest.mark.parametrize(
    ("gpus", "wants", "text"),
    [
        ("auto", True, "if nvidia-smi -L"),
        ("auto", False, ""),
        ("none", True, ""),
        ("device=0,1", False, 'set -- --gpus \'"device=0,1"\' "$@"'),
    ],
)
def test_gpus_are_the_servers(gpus: str, wants: bool, text: str) -> None:
    plan = plan_contained(evolve(SETTINGS, gpus=gpus), contained_job(server=model_server(gpus=wants)))
    given = text_of(plan, "deployment/run.sh")
    assert (text in given) if text else ("--gpus" not in given)
    assert "--gpus" not in text_of(plan)


# --- purity -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_parse_what_is_planned(shell: str, tmp_path: Path) -> None:
    settings = evolve(SETTINGS, extra_docker_args=("-e", "A='\"$(x)`y`\\"), publish_port=1, gpus="0,1")
    for job in (contained_job(server=model_server(gpus=True)), contained_job(url="http://127.0.0.1/it's")):
        for file in plan_contained(settings, job).needs[0].files:
            (tmp_path / "script.sh").write_text(file.text)
            done = subprocess.run(
                argv(shell, "-n", str(tmp_path / "script.sh")), capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), file.path


def test_no_secret_but_its_name_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-canary")
    assert "sk-canary" not in repr(plan_contained(SETTINGS, contained_job(server=model_server())))


def test_planning_touches_nothing_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    job = contained_job(server=model_server())
    first = plan_contained(SETTINGS, job)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("planning is pure")

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", refuse)
        patched.setattr(os, "open", refuse)
        patched.setattr(os, "mkdir", refuse)
        patched.setattr(socket, "socket", refuse)
        patched.setattr(subprocess, "Popen", refuse)
        again = plan_contained(SETTINGS, job)
    assert again == first

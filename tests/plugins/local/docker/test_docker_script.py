"""evalyard_local.docker.script: the text that makes a container, and that every shell reads it as it is meant."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from evalyard.harness.script import job_script
from evalyard.records.programs import Server
from evalyard_local.docker.script import (
    Bind,
    Container,
    address_flag,
    address_text,
    container_text,
    gpu_text,
    is_loopback,
    loopback_text,
    refused_path,
)
from tests.core.harness.jobs import MARK, SHELLS, argv, launch, make_job
from tests.core.harness.test_script import ODD
from tests.plugins.local.docker.stand_in import StandIn, stand_in

each_shell = pytest.mark.parametrize("shell", SHELLS)
MACHINERY = "# From here on: the same for every container.\n"
CONTAINER = Container(title="The container.", name="ey-1-task", image="img:1", command=("inside.sh",))
FULL = Container(
    title="The container that runs it.",
    name="ey-1-task",
    image="registry.test/img:1",
    command=("/evalyard/job/inside.sh", "two words"),
    labels={"invocation": "a1b2c3d4", "task": "it's"},
    binds=(
        Bind(source="artifacts", target="/results"),
        Bind(source="/data/all of it", target="/data", read_only=True),
        Bind(source="../../cache", target="/evalyard/output/cache", make=True),
        Bind(source=".secrets.env", target="/evalyard/job/.secrets.env", read_only=True),
    ),
    log="logs/stdout.log",
    variables=("EVALYARD_TASK", "SHOTS"),
    settings={"EVALYARD_JOB_DIR": "/evalyard/job"},
    before="network=host",
    flags=('--network "$network"', "--cpus 2.0"),
    after="set -- --gpus all",
    extra=("--env", "A=$B c"),
)


def test_the_whole_text_of_a_container_is_this() -> None:
    top = container_text(FULL).partition(MACHINERY)[0]
    assert (
        top
        == """\
# The container that runs it.
here=$(pwd)
image='registry.test/img:1'
container=${EVALYARD_CONTAINER:-"ey-1-task-by-hand-$$"}
made_network=
mkdir -p "$here"/'../../cache'
network=host
set -- \\
  --init \\
  --name "$container" \\
  --label evalyard.invocation='a1b2c3d4' \\
  --label evalyard.task='it'\\''s' \\
  --label evalyard.attempt="$EVALYARD_ATTEMPT" \\
  --label evalyard.name="${EVALYARD_NAME:-$container}" \\
  --label evalyard.token="${EVALYARD_LAUNCH:-by-hand}" \\
  --label evalyard.owner="${EVALYARD_OWNER:-}" \\
  --mount type=bind,source="$here"/'artifacts','target=/results' \\
  --mount type=bind,source='/data/all of it','target=/data,readonly' \\
  --mount type=bind,source="$here"/'../../cache','target=/evalyard/output/cache' \\
  --mount type=bind,source="$here"/'.secrets.env','target=/evalyard/job/.secrets.env,readonly' \\
  --mount type=bind,source="$here"/'logs/stdout.log','target=/evalyard/log' \\
  --env EVALYARD_TASK \\
  --env SHOTS \\
  --env 'EVALYARD_JOB_DIR=/evalyard/job' \\
  --network "$network" \\
  --cpus 2.0 \\
  '--env' \\
  'A=$B c' \\
  --entrypoint sh "$image" \\
  '/evalyard/job/inside.sh' 'two words'
set -- --gpus all

"""
    )


def test_an_image_that_keeps_its_entrypoint_is_given_the_shell_as_its_command() -> None:
    text = container_text(evolve(CONTAINER, keeps_entrypoint=True))
    assert "\n  \"$image\" \\\n  'sh' 'inside.sh'\n" in text
    assert "--entrypoint sh" not in text


def test_the_machinery_is_the_same_for_every_container() -> None:
    assert len({container_text(container).partition(MACHINERY)[2] for container in (CONTAINER, FULL)}) == 1


# --- any value, in any shell ------------------------------------------------------------------------------------------


def written(root: Path, container: Container, shell: str = "dash") -> StandIn:
    """Write a job's script that makes this container, in a folder with an awkward name."""
    folder = root / "it's $HOME run" / "task"
    folder.mkdir(parents=True)
    (folder / "run.sh").write_text(job_script(make_job(results=None), start=container_text(container)))
    return stand_in(root / "bin", folder, shell)


def ran(root: Path, container: Container, shell: str = "dash", **variables: str) -> list[str]:
    """Run such a script as evalyard does, and return with which words it made its container."""
    made = written(root, container, shell)
    made.ends()
    record = launch(made.work, made.launched(**variables), shell)
    assert (record.exit_code, record.reason) == (0, "")
    return made.run


@each_shell
def test_any_value_reaches_docker_as_it_is(shell: str, tmp_path: Path) -> None:
    paths = [f"/data/{text}" for text in ODD.values()]
    image = "".join(ODD.values())
    container = evolve(
        CONTAINER,
        image=image,
        command=tuple(ODD.values()),
        labels=ODD,
        binds=tuple(Bind(source=path, target=path, read_only=True) for path in paths),
        settings=ODD,
        extra=tuple(ODD.values()),
    )
    words = ran(tmp_path, container, shell, EVALYARD_CONTAINER="ey-1", EVALYARD_NAME="n", EVALYARD_OWNER="o")
    ours = {"attempt": "1", "name": "n", "token": MARK, "owner": "o"}
    assert words == [
        *("--env", "EVALYARD_LOG=/evalyard/log", "--init", "--name", "ey-1"),
        *(word for name, value in {**ODD, **ours}.items() for word in ("--label", f"evalyard.{name}={value}")),
        *(word for path in paths for word in ("--mount", f"type=bind,source={path},target={path},readonly")),
        *(word for name, value in ODD.items() for word in ("--env", f"{name}={value}")),
        *(*ODD.values(), "--entrypoint", "sh", image, *ODD.values()),
    ]
    assert not list(tmp_path.rglob("pwned"))


@each_shell
def test_what_lies_beside_the_script_is_mounted_from_there(shell: str, tmp_path: Path) -> None:
    words = ran(tmp_path, evolve(CONTAINER, binds=(Bind(source="it's $HOME", target="/t"),)), shell)
    here = tmp_path / "it's $HOME run" / "task"
    assert words[words.index("--mount") + 1] == f"type=bind,source={here}/it's $HOME,target=/t"


@each_shell
@pytest.mark.parametrize("container", [CONTAINER, FULL], ids=["bare", "full"])
def test_every_shell_can_parse_it(shell: str, container: Container, tmp_path: Path) -> None:
    text = container_text(evolve(container, before=loopback_text("http://[::1]:8000/it's"), after=gpu_text("0,1")))
    (tmp_path / "text.sh").write_text(text)
    done = subprocess.run(argv(shell, "-n", str(tmp_path / "text.sh")), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_is_to_be_made_is_there_before_the_container(tmp_path: Path) -> None:
    ran(tmp_path, evolve(CONTAINER, binds=(Bind(source="../../a cache/x", target="/x", make=True),)))
    assert (tmp_path / "a cache" / "x").is_dir()


def test_a_value_of_the_environment_is_passed_on_by_its_name_only(tmp_path: Path) -> None:
    words = ran(tmp_path, evolve(CONTAINER, variables=("SHOTS",)), SHOTS="canary")
    assert words[words.index("SHOTS") - 1] == "--env"
    assert "canary" not in "".join(words)


@each_shell
def test_by_hand_it_has_a_name_of_its_own_and_marks_that_say_so(shell: str, tmp_path: Path) -> None:
    made = written(tmp_path, CONTAINER, shell)
    made.ends()
    assert made.by_hand(shell).returncode == 0
    name = made.run[made.run.index("--name") + 1]
    assert name.startswith("ey-1-task-by-hand-")
    assert name.removeprefix("ey-1-task-by-hand-").isdecimal()
    labels = [word for word in made.run if word.startswith("evalyard.")]
    assert labels == ["evalyard.attempt=1", f"evalyard.name={name}", "evalyard.token=by-hand", "evalyard.owner="]
    assert "EVALYARD_LOG=/evalyard/log" not in made.run


# --- which user -------------------------------------------------------------------------------------------------------

US = f"{os.getuid()}:{os.getgid()}"


@pytest.mark.parametrize(
    ("image_user", "user"),
    [("", ""), ("0", ""), ("root", ""), ("0:0", ""), ("root:wheel", ""), ("app", US), ("1000:0", US)],
)
def test_an_image_that_runs_as_somebody_else_than_root_runs_as_whoever_has_the_folders(
    image_user: str, user: str, tmp_path: Path
) -> None:
    words = ran(tmp_path, CONTAINER, EVALYARD_IMAGE_USER=image_user)
    assert words[: words.index("--init")] == [
        *(("--user", user) if user else ()),
        *("--env", "EVALYARD_LOG=/evalyard/log"),
    ]


def test_a_user_that_nobody_told_is_asked_for(tmp_path: Path) -> None:
    made = written(tmp_path, CONTAINER)
    made.answer("user", "app\n")
    made.ends()
    launch(made.work, made.launched())
    assert made.run[:2] == ["--user", US]


def test_the_users_own_words_come_last_and_win(tmp_path: Path) -> None:
    words = ran(
        tmp_path,
        evolve(CONTAINER, settings={"A": "1"}, flags=("--cpus 1",), after=gpu_text("all"), extra=("--user", "7")),
        EVALYARD_IMAGE_USER="app",
    )
    assert words[-5:] == ["7", "--entrypoint", "sh", "img:1", "inside.sh"]
    assert len(words) - 6 == words.index("7") - 1 > max(words.index(word) for word in ("--gpus", "--cpus", "A=1"))


# --- loopback endpoints, GPUs, paths ----------------------------------------------------------------------------------

URL = {
    "http://localhost:8000/v1": "http://host.docker.internal:8000/v1",
    "http://LocalHost/v1": "http://host.docker.internal/v1",
    "https://127.0.0.1": "https://host.docker.internal",
    "http://127.1.2.3:8000/v1": "http://host.docker.internal:8000/v1",
    "http://[::1]:8000/v1?q=[::1]": "http://host.docker.internal:8000/v1?q=[::1]",
    "http://0.0.0.0:80/": "http://host.docker.internal:80/",
    "http://me:pw@localhost:80/localhost": "http://me:pw@host.docker.internal:80/localhost",
}


@pytest.mark.parametrize("url", URL)
def test_an_endpoint_of_this_machine_is_told_by_its_host(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    ["", "http://endpoint.test/localhost", "http://localhost.test/", "http://10.127.0.1:8000", "http://[fe80::1]/"],
)
def test_other_endpoints_are_none_of_this_machine(url: str) -> None:
    assert not is_loopback(url)


@each_shell
@pytest.mark.parametrize(("url", "desktop"), URL.items(), ids=URL)
def test_a_container_asks_this_machine_by_the_name_that_its_engine_has_for_it(
    shell: str, url: str, desktop: str, tmp_path: Path
) -> None:
    made = stand_in(tmp_path / "bin", tmp_path, shell)
    text = f'{loopback_text(url)}\nprintf "%s %s" "$network" "$EVALYARD_ENDPOINT_URL"'
    seen = {}
    for platform in ("Docker Engine - Community", "Docker Desktop 4.40.0 (187762)"):
        made.answer("platform", platform)
        seen[platform[:9]] = subprocess.run(
            argv(shell, "-uc", text),
            env={**os.environ, **made.variables(), "EVALYARD_ENDPOINT_URL": url},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert seen == {"Docker En": f"host {url}", "Docker De": f"bridge {desktop}"}


@each_shell
@pytest.mark.parametrize(("platform", "network"), [("Docker Desktop 4.40.0", "bridge"), ("", "host")])
def test_an_engine_whose_name_is_known_is_not_asked_for_it(
    shell: str, platform: str, network: str, tmp_path: Path
) -> None:
    made = stand_in(tmp_path / "bin", tmp_path, shell)
    done = subprocess.run(
        argv(shell, "-uc", f'{loopback_text("http://localhost:80")}\nprintf "%s" "$network"'),
        env={**os.environ, **made.variables(), "EVALYARD_DOCKER_PLATFORM": platform},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == network
    assert made.calls == []


JUDGE = Server(recipe="demo", model_id="j", name="judge", env_prefix="JUDGE", script="serve")


@each_shell
@pytest.mark.parametrize(("address", "reason"), [("172.17.0.9", ""), ("", "the container of the model server 'judge'")])
def test_a_further_server_without_an_address_is_the_reason(
    shell: str, address: str, reason: str, tmp_path: Path
) -> None:
    flags = (address_flag(JUDGE, "model-judge"),)
    made = written(tmp_path, evolve(CONTAINER, before=address_text(JUDGE), flags=flags), shell)
    made.answer("address", address)
    made.ends()
    record = launch(made.work, made.launched(EVALYARD_JUDGE_SERVER_CONTAINER="c"), shell)
    assert (record.exit_code, record.reason.partition(" has ")[0]) == (125 if reason else 0, reason)
    assert bool(made.called("run")) is not bool(reason)
    assert reason or f"model-judge:{address}" in made.run


@pytest.mark.parametrize(
    ("gpus", "words"),
    [("none", []), ("all", ["--gpus", "all"]), ("2", ["--gpus", "2"]), ("device=0,1", ["--gpus", '"device=0,1"'])],
)
def test_gpus_are_asked_for_as_docker_reads_them(gpus: str, words: list[str], tmp_path: Path) -> None:
    seen = ran(tmp_path, evolve(CONTAINER, after=gpu_text(gpus)))
    assert seen[2 : seen.index("--init")] == words


@pytest.mark.parametrize(("code", "words"), [(0, ["--gpus", "all"]), (9, [])], ids=["a driver", "no driver"])
def test_gpus_are_all_there_are_where_there_are_any(code: int, words: list[str], tmp_path: Path) -> None:
    made = written(tmp_path, evolve(CONTAINER, after=gpu_text("auto")))
    (made.folder / "nvidia-smi").write_text(f"#!/bin/sh\nexit {code}\n")
    (made.folder / "nvidia-smi").chmod(0o755)
    made.ends()
    launch(made.work, made.launched())
    assert made.run[2 : made.run.index("--init")] == words


@pytest.mark.parametrize(
    ("paths", "refused"),
    [
        ([], ""),
        (["/a b", "/it's", "/$HOME", "/a:b"], ""),
        (["/a", "/b,c"], "/b,c"),
        (['/"a"'], '/"a"'),
        (["/a\nb"], "/a\nb"),
    ],
)
def test_paths_that_docker_cannot_mount_are_known(paths: list[str], refused: str) -> None:
    assert refused_path(paths) == refused

"""Model servers in containers: what is started, how it is asked for its health, and that nothing of it stays."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backends import require_backend
from tests.cli.yard import kill, until
from tests.docker.dockyard import docker, inspected
from tests.docker.servers import MODEL, STARTS, TYPES, ServedYard

pytestmark = pytest.mark.docker


@pytest.fixture
def yard(tmp_path: Path, python_image: str, busybox_image: str) -> Iterator[ServedYard]:
    require_backend("local")
    yard = ServedYard(tmp_path, busybox_image, python=python_image)
    try:
        yield yard
    finally:
        yard.end_everything()
        yard.remove_everything()


@pytest.mark.parametrize("kind", TYPES)
def test_an_evaluation_goes_through_to_its_score(yard: ServedYard, kind: str) -> None:
    yard.served(yard.smoke(), kind=kind)
    invocation = yard.run("run.yaml", "--wait")
    scores = json.loads(yard.call("results", "--json", invocation).out)
    assert {row["task"] for row in scores} > {"smoke.arithmetic"}
    assert f"\n{STARTS[kind]} starts with [" in yard.server_log(invocation)
    yard.await_released(invocation)
    assert yard.containers(invocation) == []


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_one_server_serves_all_tasks(yard: ServedYard, mode: str) -> None:
    names = ("one", "two", "three")
    asks = 'wget -q -O - "$(dirname "$EVALYARD_ENDPOINT_URL")/../../health"'
    yard.served(*(yard.gated(name, asks) for name in names), execution={"mode": mode, "max_parallel": 3})
    invocation = yard.run("run.yaml")
    for name in names if mode == "parallel" else names[:1]:
        yard.await_log(invocation, name)
    assert len(yard.running(invocation, "client")) == (3 if mode == "parallel" else 1)
    assert len(yard.running(invocation, "server")) == 1
    for name in names:
        until((yard.task_folder(invocation, name) / "artifacts").exists, name)
        yard.open(invocation, name)
    yard.await_states(invocation, *["SUCCEEDED"] * 3)
    yard.await_released(invocation)
    assert yard.server_log(invocation).count("vllm starts") == 1
    assert all("ready" in yard.call("logs", f"{invocation}.{number}").out for number in (1, 2, 3))


def test_a_checkpoint_can_only_be_read_and_the_cache_stays(yard: ServedYard) -> None:
    (yard.folder / "model").mkdir()
    (yard.folder / "model" / "weights").write_text("4 2")
    (yard.folder / "cache").mkdir()
    folders: dict[str, Any] = {"checkpoint_path": f"{yard.folder}/model", "cache_path": f"{yard.folder}/cache"}
    yard.served(yard.task("one"), hf_model_handle=None, **folders)
    log = yard.server_log(yard.run("run.yaml", "--wait"))
    assert "model: /checkpoint\n" in log
    assert "weights: 4 2\n" in log
    assert "writing there: Read-only file system\n" in log
    assert sorted(path.name for path in (yard.folder / "model").iterdir()) == ["weights"]
    made = {str(path.relative_to(yard.folder / "cache")) for path in (yard.folder / "cache").rglob("made-by-*")}
    assert made == {"made-by-HF_HOME", "vllm/made-by-VLLM_CACHE_ROOT"}


def test_a_server_that_dies_before_it_is_ready_says_why(yard: ServedYard) -> None:
    yard.served(yard.gated("one"), yard.gated("two"), env_vars={"STAND_IN": "lit:broken"})
    invocation = yard.run("run.yaml", "--wait", code=1)
    for row in yard.jobs(invocation):
        assert row["state"] == "FAILED"
        assert "server" in row["reason"]
        assert "CUDA out of memory" in row["reason"]
    assert not any(
        (yard.task_folder(invocation, name) / "attempts" / "1" / "container").exists() for name in ("one", "two")
    )
    yard.await_released(invocation)


def test_arguments_that_a_server_does_not_know_are_the_reason(yard: ServedYard) -> None:
    yard.served(yard.smoke(), extra_args="--max-modle-len 512")
    invocation = yard.run("run.yaml", "--wait", code=1)
    (row,) = yard.jobs(invocation)
    assert "unrecognized arguments: --max-modle-len 512" in row["reason"]


def test_a_server_that_dies_during_the_evaluation_is_the_reason_and_ends_it(yard: ServedYard) -> None:
    yard.served(yard.smoke(), env_vars={"STAND_IN": "lit:2"})
    invocation = yard.run("run.yaml", "--wait", code=1)
    (row,) = yard.jobs(invocation)
    assert row["state"] == "FAILED"
    assert "the model server ended" in row["reason"]
    assert "the GPU fell out" in row["reason"]
    yard.await_released(invocation)


def test_a_server_that_is_never_ready_times_out_with_that_reason(yard: ServedYard) -> None:
    yard.served(yard.task("one"), execution={"endpoint_readiness_timeout": 1}, env_vars={"STAND_IN": "lit:asleep"})
    invocation = yard.run("run.yaml", "--wait", code=1)
    (row,) = yard.jobs(invocation)
    assert "not ready within 1 s" in row["reason"]
    yard.await_released(invocation)


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has GPUs")
def test_gpus_that_are_not_there_are_dockers_reason(yard: ServedYard) -> None:
    yard.served(yard.task("one"), execution={"gpus": "all"})
    invocation = yard.run("run.yaml", "--wait", code=1)
    (row,) = yard.jobs(invocation)
    assert "could not select device driver" in row["reason"]
    yard.await_released(invocation)


def test_a_published_port_is_reachable_from_here_and_no_gpus_are_asked_for_where_none_are(yard: ServedYard) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yard.served(yard.gated("one"), execution={"publish_port": port})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert json.load(reply)["choices"]
    host = inspected(*yard.running(invocation, "server"))["HostConfig"]
    assert shutil.which("nvidia-smi") or not host["DeviceRequests"]
    assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    yard.open(invocation, "one")
    yard.await_states(invocation, "SUCCEEDED")


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def done(yard: ServedYard) -> Path:
    """A run of two tasks that has ended: its folder."""
    yard.served(yard.smoke("smoke.arithmetic"), yard.smoke("smoke.choice"))
    return yard.run_dir(yard.run("run.yaml", "--wait"))


@pytest.mark.parametrize("script", ["smoke.arithmetic/run.sh", "run_all.sequential.sh"])
def test_by_hand_a_task_starts_its_own_server_and_removes_everything(yard: ServedYard, done: Path, script: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.glob("*/artifacts/results.yml")}
    assert len(before) == 2
    by_hand = yard.program("sh", str(done / script))
    tasks = 1 if script.endswith("/run.sh") else 2
    assert by_hand.out.count("ended with exit code 0") == tasks
    again = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert len(again) == tasks
    assert (done / "deployment" / "attempts" / "2" / "exit.json").exists()
    assert not (done / "deployment" / "attempts" / "3").exists()
    invocation = done.name.rpartition("-")[2]
    assert yard.containers(invocation) == []
    assert yard.networks(invocation) == []


# --- released on every path ------------------------------------------------------------------------------------------


def test_the_server_is_released_when_a_task_fails(yard: ServedYard) -> None:
    yard.served(yard.task("bad", "exit 3"))
    invocation = yard.run("run.yaml", "--wait", code=1)
    (row,) = yard.jobs(invocation)
    assert row["reason"].startswith("exit code 3")
    yard.await_released(invocation)
    (kept,) = yard.containers(invocation)
    assert inspected(kept)["Config"]["Labels"]["evalyard.role"] == "client"


def test_the_server_stays_for_the_other_job_and_goes_when_the_run_is_killed(yard: ServedYard) -> None:
    yard.served(yard.gated("one"), yard.gated("two"), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    yard.await_log(invocation, "two")
    yard.call("kill", f"{invocation}.1")
    assert len(yard.running(invocation, "server")) == 1
    assert yard.states(invocation) == ["CANCELLED", "RUNNING"]
    yard.call("kill", invocation)
    yard.await_released(invocation)
    assert yard.states(invocation) == ["CANCELLED", "CANCELLED"]


@pytest.mark.parametrize("when", ["waiting", "running"])
def test_the_server_is_released_on_ctrl_c(yard: ServedYard, when: str) -> None:
    mood: dict[str, Any] = {"env_vars": {"STAND_IN": "lit:asleep"}} if when == "waiting" else {}
    yard.served(yard.gated("one"), **mood)
    process, invocation = waited_for(yard)
    if when == "waiting":
        until(lambda: yard.running(invocation, "server"), "a server", process=process)
    else:
        yard.await_log(invocation, "one")
    kill(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    yard.await_released(invocation)


@pytest.mark.parametrize("command", ["resume", "kill"])
def test_after_sigkill_the_next_command_releases_the_server(yard: ServedYard, command: str) -> None:
    yard.served(yard.gated("one"))
    process, invocation = waited_for(yard)
    yard.await_log(invocation, "one")
    (server,) = yard.running(invocation, "server")
    kill(process.pid)
    process.communicate()
    assert yard.running(invocation, "server") == [server]
    if command == "kill":
        yard.call("kill", invocation)
        assert yard.states(invocation) == ["CANCELLED"]
    else:
        resumed = yard.start("evalyard", "resume", invocation, "--wait")
        assert resumed.stdout is not None
        resumed.stdout.readline()
        yard.open(invocation, "one")
        resumed.communicate()
        assert [(row["state"], row["attempt"]) for row in yard.jobs(invocation)] == [("SUCCEEDED", 1)]
        assert yard.server_log(invocation).count("vllm starts") == 1
    yard.await_released(invocation)


def test_a_server_that_is_killed_takes_the_job_along(yard: ServedYard) -> None:
    yard.served(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    docker("kill", *yard.running(invocation, "server"))
    (row,) = yard.await_states(invocation, "FAILED")
    assert "the model server ended" in row["reason"]
    yard.await_released(invocation)


def test_a_server_whose_script_is_killed_serves_on_and_its_end_is_noticed(yard: ServedYard) -> None:
    yard.served(yard.gated("one"), yard.gated("two"), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    yard.await_log(invocation, "two")
    kill(yard.started(invocation, "deployment")["pid"])
    yard.open(invocation, "one")
    yard.await_states(invocation, "SUCCEEDED", "RUNNING")
    docker("kill", *yard.running(invocation, "server"))
    _, row = yard.await_states(invocation, "SUCCEEDED", "FAILED")
    assert "the model server ended" in row["reason"]
    yard.await_released(invocation)


def waited_for(yard: ServedYard) -> tuple[Any, str]:
    """Start `run --wait`; return its process and the id of the run."""
    process = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    assert process.stdout is not None
    invocation = process.stdout.readline().strip()
    until(lambda: list((yard.folder / "runs").glob(f"*-{invocation}")), "a run directory", process=process)
    return process, invocation

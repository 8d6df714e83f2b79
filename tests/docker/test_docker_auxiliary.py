"""A judge in a container of its own: found by harnesses in every kind of network, watched, and released."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backends import require_backend
from tests.cli.test_cli_deployments import demo
from tests.docker.dockyard import docker
from tests.docker.servers import ServedYard

pytestmark = pytest.mark.docker

JUDGE = "the-judge"
ASK = """
import json, os, urllib.request as r
def model(url, name):
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "Say hello."}]}).encode()
    return json.load(r.urlopen(r.Request(url, body, {"Content-Type": "application/json"})))["model"]
print(model(os.environ["EVALYARD_ENDPOINT_URL"], os.environ["EVALYARD_MODEL_ID"]), "is judged by",
      model(os.environ["HERE"], os.environ["JUDGE_MODEL_ID"]))
"""


@pytest.fixture
def yard(tmp_path: Path, python_image: str, busybox_image: str) -> Iterator[ServedYard]:
    require_backend("local")
    yard = ServedYard(tmp_path, busybox_image, python=python_image)
    try:
        yield yard
    finally:
        yard.end_everything()
        yard.remove_everything()


def judged(yard: ServedYard, *tasks: Any, judge: dict[str, Any] | None = None, **sections: Any) -> str:
    """Write a configuration with a judge; its own model is served unless the sections say otherwise."""
    server = {"type": "vllm", "image": yard.server, "hf_model_handle": "some/model"}
    given = {"deployment": {**server, "served_model_name": "toy"}, **sections}
    further = {"judge": {**server, "served_model_name": JUDGE, **(judge or {})}}
    return yard.config(*tasks, auxiliary_deployments=further, **given)


def asks(yard: ServedYard, name: str, **fields: Any) -> dict[str, Any]:
    here = {"HERE": "auxiliary_deployments.judge.chat_url"}
    return yard.task(name, f"python3 -c '{ASK}'", container=yard.python, env_vars=here, **fields)


def log_of_judge(yard: ServedYard, invocation: str) -> str:
    return (yard.run_dir(invocation) / "deployment-judge" / "logs" / "server.log").read_text()


def test_harnesses_ask_the_model_and_the_judge_and_nothing_stays(yard: ServedYard) -> None:
    judged(yard, asks(yard, "one"), asks(yard, "two"), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml", "--wait")
    for number in (1, 2):
        assert f"toy is judged by {JUDGE}" in yard.call("logs", f"{invocation}.{number}").out
    assert log_of_judge(yard, invocation).count("vllm starts") == 1
    yard.await_released(invocation)
    assert yard.containers(invocation) == []


def test_a_model_on_this_machine_is_judged_by_a_container(yard: ServedYard) -> None:
    judged(yard, asks(yard, "one"), deployment=None)
    with demo(yard, "--model", "mine") as base:
        url = f"target.api_endpoint.url={base}/v1/chat/completions"
        invocation = yard.run("run.yaml", "--wait", "-o", url)
    assert f"mine is judged by {JUDGE}" in yard.call("logs", invocation).out
    yard.await_released(invocation)


def test_a_judge_that_dies_before_it_is_ready_is_the_reason(yard: ServedYard) -> None:
    judged(yard, yard.gated("one"), judge={"env_vars": {"STAND_IN": "lit:broken"}})
    invocation = yard.run("run.yaml", "--wait", code=1)
    (row,) = yard.jobs(invocation)
    assert row["state"] == "FAILED"
    assert row["reason"].startswith("the model server 'judge' ended: ")
    assert "CUDA out of memory" in row["reason"]
    yard.await_released(invocation)


def test_a_judge_that_is_killed_takes_the_job_along(yard: ServedYard) -> None:
    judged(yard, yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    (judge,) = yard.containers(invocation, "label=evalyard.server=judge", "status=running")
    docker("kill", judge)
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"].startswith("the model server 'judge' ended")
    yard.await_released(invocation)


def test_by_hand_a_moved_task_starts_both_servers_and_removes_everything(yard: ServedYard) -> None:
    judged(yard, asks(yard, "one"))
    done = yard.run_dir(yard.run("run.yaml", "--wait"))
    done = done.rename(yard.folder / f"moved-{done.name}")
    by_hand = yard.program("sh", str(done / "one" / "run.sh"))
    assert f"toy is judged by {JUDGE}" in by_hand.out
    assert (done / "deployment-judge" / "attempts" / "2" / "exit.json").exists()
    invocation = done.name.rpartition("-")[2]
    assert yard.containers(invocation) == []
    assert yard.networks(invocation) == []

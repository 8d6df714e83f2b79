"""Whole runs whose jobs and endpoints are real containers: the shipped examples, and the scores of other executors."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from evalyard.config import examples
from evalyard.serving.demo.server import Behaviour, DemoServer
from tests.backends import require_backend
from tests.cli.yard import Yard, until
from tests.docker.servers import FEW, MODEL, TYPES, stand_in_image
from tests.examples.images import nemo_stand_in_image
from tests.plugins.lepton.desk import config
from tests.plugins.lepton.service.server import Service

pytestmark = pytest.mark.docker

NIM_MODEL = "meta/llama-3.1-8b-instruct"
FILLED_IN: dict[str, tuple[str, ...]] = {
    "lepton_none": ("target.api_endpoint.url={url}/v1/chat/completions", "target.api_endpoint.model_id=toy"),
    "lepton_nim": (
        "execution.lepton_platform.deployment.node_group=group",
        "deployment.image={servers}",
        f"+deployment.env_vars.NIM_MODEL=lit:{NIM_MODEL}",
    ),
    "lepton_vllm": ("execution.lepton_platform.deployment.node_group=group", "deployment.image={servers}"),
}
"""What somebody who has this workspace says on the command line, beside the images that are there."""


@pytest.fixture
def service(service: Service) -> Service:
    service.contained = True
    return service


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = DemoServer("127.0.0.1", 0, Behaviour(models=("toy",)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.url
    server.shutdown()
    server.server_close()
    thread.join()


def nothing_is_left(service: Service) -> bool:
    assert (service.live_endpoints(), service.live_jobs(), service.secrets) == ([], [], {})
    assert (service.processes(), service.containers()) == ([], [])
    return True


def scores(yard: Yard, invocation: str) -> dict[tuple[str, str], float]:
    rows: list[dict[str, Any]] = json.loads(yard.call("results", "--json", invocation).out)
    return {(row["metric"], row["score"]): row["value"] for row in rows}


@pytest.mark.parametrize("name", FILLED_IN)
def test_a_shipped_example_runs_to_its_score(
    service: Service, yard: Yard, monkeypatch: pytest.MonkeyPatch, python_image: str, endpoint: str, name: str
) -> None:
    assert {one.name for one in examples() if one.name.startswith("lepton")} == FILLED_IN.keys()
    for variable in ("MY_API_KEY", "HF_TOKEN", "NGC_API_KEY"):
        monkeypatch.setenv(variable, "a-key")
    given = [
        *(text.format(url=endpoint, servers=stand_in_image(python_image)) for text in FILLED_IN[name]),
        "execution.lepton_platform.tasks.node_group=group",
        "+execution.poll_interval_s=0.1",
        f"evaluation.tasks.ifeval.container={nemo_stand_in_image(python_image)}",
    ]
    invocation = yard.run(name, "--wait", *(word for text in given for word in ("-o", text)))
    assert list(scores(yard, invocation).values()) == [1.0]
    assert len(service.endpoints) == (name != "lepton_none")
    assert nothing_is_left(service)


def test_one_configuration_has_the_same_scores_on_host_docker_and_lepton(
    service: Service, yard: Yard, python_image: str
) -> None:
    require_backend("local")
    params = {"limit_samples": 20}
    task = {"name": "smoke", "container": python_image, "nemo_evaluator_config": {"config": {"params": params}}}
    deployment = {"type": "demo", "image": python_image}
    on_lepton = {**deployment, "lepton_config": {"resource_shape": "cpu.small"}}
    local = {"type": "local", "output_dir": "runs"}
    places: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "host": ({**local, "use_docker": False}, {"type": "demo", "port": 0}),
        "docker": ({**local, "pull": "never", "keep": "none"}, deployment),
        "lepton": ({**local, "type": "lepton", "poll_interval_s": 0.1}, on_lepton),
    }
    found = {}
    for place, (execution, served) in places.items():
        sections = {"execution": execution, "deployment": served, "evaluation": {"tasks": [task]}}
        (yard.folder / "run.yaml").write_text(json.dumps(sections))
        invocation = yard.run("run.yaml", "--wait")
        found[place] = scores(yard, invocation)
    assert found["lepton"] == found["docker"] == found["host"]
    assert 0 < min(found["lepton"].values()) < 1
    assert nothing_is_left(service)


def test_a_type_that_no_example_has_serves_as_well(service: Service, yard: Yard, python_image: str) -> None:
    served = {"type": "sglang", "image": stand_in_image(python_image), "served_model_name": MODEL, **TYPES["sglang"]}
    deployment = {**served, "lepton_config": {"resource_shape": "gpu.1xh200"}}
    invocation = yard.run(
        config(yard, {"name": "smoke", "container": python_image, **FEW}, deployment=deployment), "--wait"
    )
    assert scores(yard, invocation)
    assert nothing_is_left(service)


def test_a_killed_launchers_containers_end_with_kill(service: Service, yard: Yard, python_image: str) -> None:
    command = "trap 'echo told; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
    task = {"name": "long", "container": python_image, "harness": {"command": command}}
    deployment = {"type": "demo", "image": python_image, "lepton_config": {"resource_shape": "cpu.small"}}
    words = ("-c", config(yard, task, deployment=deployment), "--wait", "--allow-unlisted")
    with yard.start("evalyard", "run", *words) as process:
        until(lambda: any("begun" in job.text() for job in service.jobs.values()), "the job runs", process=process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=90)
    assert len(service.containers()) == 2
    (row,) = yard.jobs()
    yard.call("kill", row["job"].split(".")[0])
    assert "told" in next(iter(service.jobs.values())).text()
    assert nothing_is_left(service)


def test_storage_is_seen_by_the_container_and_outlives_it(service: Service, yard: Yard, busybox_image: str) -> None:
    mounts = [{"from": "node-nfs:fs", "path": "/team", "mount_path": "/workspace"}]
    command = 'cat /workspace/given; echo "results: {}" > "$EVALYARD_OUTPUT_DIR/results.yml"'
    task = {"name": "one", "container": busybox_image, "harness": {"command": command}}
    there = service.root / "storage" / "node-nfs_fs" / "team"
    there.mkdir(parents=True)
    (there / "given").write_text("from the storage\n")
    platform = {"lepton_platform": {"tasks": {"mounts": mounts}}}
    invocation = yard.run(config(yard, task, execution=platform), "--wait", "--allow-unlisted")
    assert "from the storage" in yard.call("logs", invocation).out
    assert (there / "evalyard" / yard.run_dir(invocation).name / "one" / "artifacts" / "results.yml").is_file()
    assert (yard.run_dir(invocation) / "one" / "artifacts" / "results.yml").is_file()
    assert nothing_is_left(service)

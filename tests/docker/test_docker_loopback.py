"""An endpoint that only this machine can reach is reached from a container all the same."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.yard import kill
from tests.docker.dockyard import Dockyard

pytestmark = pytest.mark.docker
NOTE = "the endpoint is on this machine, so containers share its network"
FEW = {"nemo_evaluator_config": {"config": {"params": {"limit_samples": 3}}}}


@pytest.fixture
def endpoint(yard: Dockyard) -> Iterator[str]:
    """The URL of a model that listens at 127.0.0.1 alone."""
    server = yard.start("python", "-m", "evalyard.serving.demo", "--model", "demo")
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
    finally:
        kill(server.pid)
        server.communicate()


def test_a_score_comes_from_an_endpoint_at_loopback(yard: Dockyard, python_image: str, endpoint: str) -> None:
    target = {"api_endpoint": {"url": f"{endpoint}/v1/chat/completions", "model_id": "demo"}}
    yard.config({"name": "smoke", "container": python_image, **FEW}, target=target)
    assert NOTE in yard.call("run", "-c", "run.yaml", "--dry-run").text
    done = yard.call("run", "-c", "run.yaml", "--wait")
    assert NOTE in done.err
    scores = json.loads(yard.call("results", "--json", done.out.strip()).out)
    assert any(row["task"] == "smoke.arithmetic" for row in scores)


def test_a_network_of_the_users_own_is_not_replaced_and_nothing_is_noted(yard: Dockyard) -> None:
    yard.config(yard.task("one", "ls /sys/class/net"), execution={"extra_docker_args": "--network none", "keep": "all"})
    done = yard.call("run", "-c", "run.yaml", "--wait")
    assert NOTE not in done.text
    assert yard.container(done.out.strip())["HostConfig"]["NetworkMode"] == "none"

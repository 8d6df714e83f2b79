"""What `doctor` finds out about a cluster, from its login node and from one of its nodes."""

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm


@pytest.fixture
def listener(yard: SlurmYard) -> Iterator[str]:
    """The URL of something on this machine that takes connections, as the cluster reaches it."""
    with socket.create_server((yard.cluster.this_machine, 0)) as server:
        host, port = server.getsockname()
        yield f"http://{host}:{port}/v1/chat/completions"


def doctor(yard: SlurmYard, config: str, code: int | None = None) -> dict[str, list[tuple[str, str]]]:
    """Return what `doctor` says: subject -> severities and messages."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(yard.call("doctor", "--json", "-c", config, code=code).out):
        found.setdefault(one["subject"], []).append((one["severity"], one["message"]))
    return found


def endpoint(url: str) -> Mapping[str, Any]:
    return {"target": {"api_endpoint": {"url": url, "model_id": "m"}}}


def test_a_node_sees_the_output_folder_the_image_and_the_endpoint(
    yard: SlurmYard, podman_busybox: str, listener: str
) -> None:
    task = yard.task("one", container=podman_busybox)
    execution = {**yard.on("n2"), "container_runtime": "podman"}
    found = doctor(yard, yard.config(task, execution=execution, **endpoint(listener)))
    said = dict.fromkeys(message for _, message in found["node"])
    assert {severity for severity, _ in found["node"]} == {"ok"}
    assert f"n2 sees {yard.folder / 'runs'} as the login node does" in said
    assert any(message.startswith("n2 has podman version") for message in said)
    assert f"n2 has {podman_busybox}" in said
    ((severity, message),) = found["endpoint from a node"]
    assert severity == "ok"
    assert message.endswith("takes connections from n2")
    assert not [*yard.folder.glob(".evalyard-look-*")]
    assert yard.cluster.queue() == []


def test_what_a_node_lacks_is_an_error(yard: SlurmYard) -> None:
    config = yard.config(
        yard.task("one", container="registry.example/harness:1"),
        execution={**yard.on("n1"), "container_runtime": "apptainer"},
        # Nobody listens there.
        **endpoint(f"http://{yard.cluster.address('head')}:9/v1/chat/completions"),
    )
    found = doctor(yard, config, code=2)
    ((severity, message),) = [one for one in found["node"] if one[0] != "ok"]
    assert severity == "error"
    assert message.startswith("n1 has no apptainer: ")
    ((severity, message),) = found["endpoint from a node"]
    assert severity == "error"
    assert message.endswith("takes no connections from n1: Connection refused")
    # What asks from this machine is silent too, and that proves nothing.
    ((severity, _),) = found["endpoint"]
    assert severity == "warning"


def test_a_folder_that_nodes_do_not_share_is_an_error(yard: SlurmYard) -> None:
    # Every machine of the cluster has a /run of its own.
    execution = {**yard.on("n1"), "output_dir": "/run/evalyard"}
    found = doctor(yard, yard.config(yard.task("one"), execution=execution), code=2)
    assert ("error", "n1 does not see what the login node writes to /run/evalyard") in found["node"]


def test_a_run_asks_no_node(yard: SlurmYard) -> None:
    before = yard.numbers("evalyard-look")
    invocation = yard.run(yard.config(yard.task("one")))
    yard.ends(invocation)
    assert yard.numbers("evalyard-look") == before

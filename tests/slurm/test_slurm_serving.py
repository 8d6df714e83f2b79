"""A model served in the job: on whichever way the job ends, nothing of it stays on the nodes."""

from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.cli.yard import until
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm


def deployment(command: str) -> dict[str, Any]:
    return {"type": "generic", "command": command, "served_model_name": "m", "endpoints": {"health": "/"}}


def serve(yard: SlurmYard) -> str:
    """Return shell text that serves until it is ended, and can be told from all other servers."""
    return f"python3 -m http.server $PORT --directory {yard.folder}"


def stubborn(yard: SlurmYard) -> str:
    """Return shell text of a server that does not end when it is asked to, and begins again when it is ended."""
    return f"trap '' TERM; while :; do {serve(yard)}; done"


def forsaken(yard: SlurmYard) -> str:
    """Return shell text of a server beside another one that is nobody's child."""
    return f"({serve(yard).replace('$PORT', '$((PORT + 1))')} &); {serve(yard)}"


def servers(yard: SlurmYard) -> list[str]:
    """Return the command lines of servers that live, on whichever node."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "http.server" in line and str(yard.folder) in line]


def await_no_server(yard: SlurmYard) -> None:
    until(lambda: not servers(yard) and not yard.cluster.queue(), lambda: f"{servers(yard)} {yard.cluster.queue()}")


def test_the_code_of_the_harness_is_the_jobs(yard: SlurmYard) -> None:
    config = yard.config(yard.task("one", "exit 5"), deployment=deployment(serve(yard)), execution={"num_nodes": 2})
    invocation = yard.run(config)
    assert yard.ends(invocation) == {"one": ("FAILED", "exit code 5")}
    await_no_server(yard)
    assert "GET / " in yard.call("logs", "--role", "server", invocation).text


def test_a_server_that_dies_fails_the_job_and_is_named(yard: SlurmYard) -> None:
    invocation = yard.run(yard.config(yard.task("one"), deployment=deployment("echo out of luck; exit 9")))
    ((state, text),) = yard.ends(invocation).values()
    assert state == "FAILED"
    assert text == "the model server ended before it was ready: out of luck"
    assert "out of luck" in yard.call("logs", "--role", "server", invocation).text


@pytest.mark.parametrize("end", ["kill $!; ", ""], ids=["whole", "leaving a part"])
def test_a_server_that_dies_under_the_harness_ends_it(yard: SlurmYard, end: str) -> None:
    fragile = f"{serve(yard)} & until [ -e {yard.gate('fall')} ]; do sleep 0.1; done; {end}echo out of luck; exit 7"
    invocation = yard.run(yard.config(yard.gated("one"), deployment=deployment(fragile)))
    yard.await_notes("start one")
    yard.open_gates("fall")
    ((state, text),) = yard.ends(invocation).values()
    assert state == "FAILED"
    assert text == "the model server ended during the evaluation: out of luck"
    await_no_server(yard)


def test_a_server_on_every_node_learns_of_the_others(yard: SlurmYard) -> None:
    note = yard.note("$PROC_ID $NUM_NODES $MASTER_IP $ALL_NODE_IPS").replace("'", '"')
    config = yard.config(yard.task("one"), deployment=deployment(f"{note}; {serve(yard)}"), execution={"num_nodes": 2})
    assert yard.ends(yard.run(config)) == {"one": ("SUCCEEDED", "")}
    first, second = (yard.cluster.address(name) for name in ("n1", "n2"))
    assert sorted(yard.notes()) == [f"{number} 2 {first} {first},{second}" for number in (0, 1)]


@pytest.mark.parametrize("server", [serve, stubborn, forsaken])
def test_kill_leaves_nothing_on_any_node(yard: SlurmYard, server: Callable[[SlurmYard], str]) -> None:
    config = yard.config(yard.gated("one"), deployment=deployment(server(yard)), execution={"num_nodes": 2})
    invocation = yard.run(config)
    yard.await_notes("start one")
    assert len(servers(yard)) >= 2
    yard.call("kill", invocation)
    assert yard.states(invocation) == ["CANCELLED"]
    await_no_server(yard)

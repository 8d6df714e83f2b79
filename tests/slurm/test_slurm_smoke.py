"""A whole evaluation on the cluster: submitted, run on its nodes, brought home, scored."""

import pytest

from tests.cli.yard import until
from tests.slurm.slurmyard import SlurmYard

pytestmark = pytest.mark.slurm
SMOKE = {"name": "smoke"}
# Slurm signals all processes that it finds below a job: here it always hits podman, and before podman passes it on.
FRAGILE_PODMAN = """\
#!/bin/sh
if [ "$1" = stop ] && [ "$(cat /run/stops 2>/dev/null | wc -l)" -lt 3 ]; then
  echo once more >>/run/stops
  exit 143
elif [ "$1" = run ]; then
  shift
  set -- run --sig-proxy=false "$@"
fi
exec /usr/bin/podman "$@"
"""


def test_an_endpoint_elsewhere_is_evaluated_from_a_node(yard: SlurmYard, endpoint: str) -> None:
    config = yard.config(SMOKE, target={"api_endpoint": {"url": endpoint, "model_id": "demo"}})
    done = yard.call("run", "-c", config, "--wait")
    assert "accuracy" in done.text


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_model_is_served_in_the_job(yard: SlurmYard, nodes: int) -> None:
    config = yard.config(SMOKE, deployment={"type": "demo"}, execution={"num_nodes": nodes})
    assert "accuracy" in yard.call("run", "-c", config, "--wait").text


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_model_is_served_in_containers_of_the_job(yard: SlurmYard, podman_python: str, nodes: int) -> None:
    config = yard.config(
        {**SMOKE, "container": podman_python},
        deployment={"type": "demo", "image": podman_python},
        execution={"container_runtime": "podman", "num_nodes": nodes, "sbatch_extra_flags": {"mem": 1000}},
    )
    assert "accuracy" in yard.call("run", "-c", config, "--wait").text
    assert containers(yard) == []


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (["scancel", "{job}"], ("CANCELLED", "cancelled")),
        (["scancel", "--signal=KILL", "{job}"], ("CANCELLED", "cancelled")),
        (["scontrol", "update", "jobid={job}", "EndTime=now+20"], ("TIMED_OUT", "it met its walltime of 00:20:00")),
        (["scontrol", "update", "nodename=n1", "state=down", "reason=test"], ("FAILED", "its node failed (NodeDown)")),
    ],
    ids=["cancelled", "killed", "walltime", "node"],
)
def test_containers_end_with_their_job(
    yard: SlurmYard, podman_busybox: str, end: list[str], told: tuple[str, str]
) -> None:
    command = "trap '' TERM; touch /results/started; while :; do sleep 1; done"
    task = yard.task("one", command, container=podman_busybox)
    invocation = yard.run(yard.config(task, execution={"container_runtime": "podman", **yard.on("n1")}))
    started = yard.run_dir(invocation) / "one" / "artifacts" / "started"
    until(started.exists, lambda: f"{yard.jobs(invocation)}")
    assert len(containers(yard)) == 1
    job = yard.job(invocation)
    yard.cluster.ask(*(word.format(job=job) for word in end))
    assert yard.ends(invocation) == {"one": told}
    until(lambda: not containers(yard), lambda: f"no containers: {containers(yard)}")


def test_a_container_can_flush_although_its_podman_is_ended_with_it(yard: SlurmYard, podman_busybox: str) -> None:
    node = yard.cluster.machines["n1"]
    node.run("sh", "-c", 'printf %s "$0" >/usr/local/bin/podman; chmod +x /usr/local/bin/podman', FRAGILE_PODMAN)
    try:
        command = "trap 'echo flushed >/results/flushed; exit 143' TERM; touch /results/started; sleep 600 & wait"
        task = yard.task("one", command, container=podman_busybox)
        execution = {"container_runtime": "podman", **yard.on("n1")}
        invocation = yard.run(yard.config(task, execution=execution))
        artifacts = yard.run_dir(invocation) / "one" / "artifacts"
        until((artifacts / "started").exists, lambda: f"{yard.jobs(invocation)}")
        yard.call("kill", invocation)
        assert (artifacts / "flushed").exists()
        assert node.run("cat", "/run/stops").count("once more") == 3
        assert containers(yard) == []
    finally:
        node.run("rm", "/usr/local/bin/podman")


def containers(yard: SlurmYard) -> list[str]:
    """Return the containers on all nodes."""
    nodes = [yard.cluster.machines[name] for name in yard.cluster.nodes]
    return [line for node in nodes for line in node.run("podman", "ps", "--quiet").split()]

"""What a configuration asks of a container is what the container gets, and what Docker refuses is said in its words."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from tests.cli.yard import until
from tests.docker.dockyard import Dockyard, docker, inspected

pytestmark = pytest.mark.docker


@pytest.fixture
def network() -> Iterator[str]:
    name = f"net-{uuid4().hex[:8]}"
    docker("network", "create", name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


@pytest.fixture
def page(network: str, busybox_image: str) -> Iterator[str]:
    """The name of a web server in the network."""
    argv = ["run", "--detach", "--network", network, "--network-alias", "pages", busybox_image]
    server = docker(*argv, "sh", "-c", "mkdir /www; echo found it > /www/page; httpd -f -p 80 -h /www").strip()
    try:
        yield "pages"
    finally:
        docker("rm", "--force", server)


@pytest.mark.parametrize("as_list", [False, True], ids=["text", "list"])
def test_extra_flags_reach_docker_run_verbatim_and_a_network_of_ones_own_is_joined(
    yard: Dockyard, network: str, page: str, as_list: bool
) -> None:
    (yard.folder / "brought").mkdir()
    (yard.folder / "brought" / "file").write_text("from outside")
    words = ["--network", network, "--volume", f"{yard.folder}/brought:/brought", "--env", "A=x y", "--hostname=here"]
    text = f"--network {network} --volume {yard.folder}/brought:/brought --env A='x y' --hostname=here"
    show = f'wget -q -O - http://{page}/page; cat /brought/file; echo; echo "[$A]"; hostname'
    yard.config(yard.task("one", show), execution={"extra_docker_args": words if as_list else text})
    invocation = yard.run("run.yaml", "--wait")
    assert "\nfound it\nfrom outside\n[x y]\nhere\n" in yard.log(invocation, "one")


def test_a_later_flag_of_the_users_wins_and_the_machines_network_can_be_shared(yard: Dockyard) -> None:
    yard.config(
        yard.task("one", "ls /sys/class/net | tr '\\n' ' '; echo; df -k /dev/shm | tail -n 1"),
        execution={"extra_docker_args": "--network host --shm-size 3m", "shm_size": "2m"},
        target={"api_endpoint": {"url": "http://model.invalid/v1/chat/completions", "model_id": "m"}},
    )
    invocation = yard.run("run.yaml", "--wait")
    assert "docker0" in yard.log(invocation, "one")
    assert "3072" in yard.log(invocation, "one")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--nonsense", "unknown flag: --nonsense"),
        ("--memory 1", "Minimum memory limit allowed is 6MB"),
        ("--network no-such-network-of-ours", "network no-such-network-of-ours not found"),
        ("--volume /tmp:relative", "invalid volume specification"),
    ],
)
def test_what_docker_refuses_is_the_jobs_reason_in_dockers_words(yard: Dockyard, flags: str, words: str) -> None:
    yard.config(yard.task("one"), execution={"extra_docker_args": flags})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=1)
    invocation = done.out.split()[0]
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["exit_code"]) == ("FAILED", 125)
    assert words in row["reason"]
    assert words in done.err
    assert yard.containers(invocation) == []


@pytest.mark.parametrize("flags", ["--rm", ["--name=mine"], "--shm-size 1m --restart=always", ["-d"]])
def test_flags_that_are_evalyards_own_are_refused_at_their_place(yard: Dockyard, flags: Any) -> None:
    yard.config(yard.task("one"), execution={"extra_docker_args": flags})
    done = yard.call("run", "-c", "run.yaml", code=2)
    assert "run.yaml:" in done.err
    assert "execution.extra_docker_args" in done.err
    assert "is not yours to set" in done.err
    assert not (yard.folder / "runs").exists()


def test_mounts_and_dataset_folders_are_seen_and_read_only_where_said(yard: Dockyard) -> None:
    for name in ("data it's", "cache", "fixed"):
        (yard.folder / name).mkdir()
        (yard.folder / name / "file").write_text(f"{name}\n")
    mounts = {f"{yard.folder}/cache": "/cache", f"{yard.folder}/fixed": "/fixed:ro"}
    show = [
        "cat /cache/file /fixed/file /data/set/file",
        "echo new > /cache/made",
        "echo new > /fixed/made || echo fixed is read-only",
        "echo new > /data/set/made || echo the data set is read-only",
    ]
    task = yard.task("one", *show, dataset_dir=f"{yard.folder}/data it's", dataset_mount_path="/data/set")
    yard.config(task, execution={"mounts": {"evaluation": mounts}})
    invocation = yard.run("run.yaml", "--wait")
    log = yard.log(invocation, "one")
    assert "cache\nfixed\ndata it's\n" in log
    assert "fixed is read-only" in log
    assert "the data set is read-only" in log
    assert (yard.folder / "cache" / "made").exists()
    assert not (yard.folder / "fixed" / "made").exists()


def test_a_mount_whose_source_is_absent_is_said_and_not_made(yard: Dockyard) -> None:
    yard.config(yard.task("one"), execution={"mounts": {"evaluation": {f"{yard.folder}/absent": "/absent"}}})
    done = yard.call("run", "-c", "run.yaml", "--wait", code=None)
    assert f"{yard.folder}/absent" in done.err
    assert "does not exist" in done.err
    assert done.code in (1, 2)
    assert not (yard.folder / "absent").exists()


def test_limits_are_the_containers(yard: Dockyard) -> None:
    limits = {"cpus": 0.5, "memory": "64m", "shm_size": "2m"}
    yard.config(yard.task("one", "df -k /dev/shm | tail -n 1"), execution={**limits, "keep": "all"})
    invocation = yard.run("run.yaml", "--wait")
    given = yard.container(invocation)["HostConfig"]
    assert (given["NanoCpus"], given["Memory"], given["ShmSize"]) == (500_000_000, 64 << 20, 2 << 20)
    assert "2048" in yard.log(invocation, "one")


@pytest.mark.parametrize(("keep", "stay"), [("failed", ["bad"]), ("all", ["bad", "good"]), ("none", [])])
def test_only_those_containers_stay_that_are_to_be_kept(yard: Dockyard, keep: str, stay: list[str]) -> None:
    yard.config(yard.task("good"), yard.task("bad", "exit 3"), execution={"keep": keep, "max_parallel": 2})
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.split()[0]
    names = [inspected(found)["Config"]["Labels"]["evalyard.task"] for found in yard.containers(invocation)]
    assert sorted(names) == stay


@pytest.mark.parametrize(("keep", "stay"), [("failed", 1), ("none", 0)])
def test_the_rest_go_as_well_when_nobody_waits_for_the_run(yard: Dockyard, keep: str, stay: int) -> None:
    yard.config(yard.gated("good"), yard.task("bad", "exit 3"), execution={"keep": keep, "max_parallel": 2})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "good")
    yard.open(invocation, "good")
    until(lambda: len(yard.containers(invocation)) == stay, lambda: f"{stay} of {yard.containers(invocation)}")
    yard.await_quiet()
    yard.await_states(invocation, "SUCCEEDED", "FAILED")
    assert len(yard.containers(invocation)) == stay


@pytest.mark.parametrize("execution", [{"mode": "sequential", "max_parallel": 3}, {"max_parallel": 1}])
def test_one_container_after_the_other_where_asked(yard: Dockyard, execution: dict[str, Any]) -> None:
    names = ["one", "two", "three"]
    yard.config(*(yard.task(name, "sleep 0.3") for name in names), execution={**execution, "keep": "all"})
    invocation = yard.run("run.yaml", "--wait")
    states = [inspected(found)["State"] for found in yard.containers(invocation)]
    times = sorted((state["StartedAt"], state["FinishedAt"]) for state in states)
    assert len(times) == len(names)
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(times))


def test_the_plan_shows_the_flags_before_anything_runs(yard: Dockyard) -> None:
    yard.config(yard.task("one"), execution={"extra_docker_args": ["--env", "A=x y"], "memory": "1g"})
    done = yard.call("run", "-c", "run.yaml", "--dry-run")
    assert "--memory 1g" in done.out
    assert "'A=x y'" in done.out

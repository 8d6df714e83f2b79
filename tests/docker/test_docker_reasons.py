"""Why a job in a container failed, in words that tell what to do about it."""

from typing import Any

import pytest

from tests.docker.dockyard import Dockyard, docker

pytestmark = pytest.mark.docker
EAT = "tail /dev/zero"
"""Reads an endless line into memory."""


def failed(yard: Dockyard, *lines: str, **execution: Any) -> tuple[int | None, str]:
    """Run a job to its end and return its exit code and reason."""
    yard.config(yard.task("one", *lines), execution=execution)
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.split()[0]
    (row,) = yard.jobs(invocation)
    assert row["state"] == "FAILED"
    return row["exit_code"], row["reason"]


def test_a_harness_that_took_too_much_memory_is_told_so(yard: Dockyard) -> None:
    assert failed(yard, f"exec {EAT}", memory="20m") == (137, "out of memory")


def test_so_is_one_of_which_only_a_child_was_killed(yard: Dockyard) -> None:
    code, reason = failed(yard, f"{EAT} || exit 3", memory="20m")
    assert (code, reason) == (3, "out of memory")


def test_a_harness_that_survives_the_end_of_a_greedy_child_succeeds(yard: Dockyard) -> None:
    yard.config(yard.task("one", f"{EAT} || true"), execution={"memory": "20m"})
    yard.run("run.yaml", "--wait")


def test_exit_codes_of_the_harnesses_own_are_the_jobs_whatever_docker_means_by_them(yard: Dockyard) -> None:
    codes = [3, 125, 126, 127, 143, 255]
    yard.config(*(yard.task(f"t{code}", f"exit {code}") for code in codes), execution={"max_parallel": len(codes)})
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.split()[0]
    rows = yard.jobs(invocation)
    assert [(row["state"], row["exit_code"]) for row in rows] == [("FAILED", code) for code in codes]
    assert [row["reason"] for row in rows if not row["reason"].startswith(f"exit code {row['exit_code']}")] == []


def test_a_command_that_the_image_has_not_is_in_the_log(yard: Dockyard) -> None:
    code, reason = failed(yard, "exec no-such-harness --run")
    assert code == 127
    assert reason.startswith("exit code 127")


def test_a_harness_that_leaves_no_result_is_told_so(yard: Dockyard) -> None:
    code, reason = failed(yard, "exit 0")
    assert code == 0
    assert "results.yml" in reason or "no result" in reason


def test_a_killed_container_is_a_failed_job(yard: Dockyard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    docker("kill", yard.container(invocation)["Id"])
    (row,) = yard.await_states(invocation, "FAILED")
    assert (row["exit_code"], row["reason"]) == (137, "killed by SIGKILL: by somebody, or for want of memory")


def test_a_container_that_was_stopped_may_flush_and_is_no_success(yard: Dockyard) -> None:
    yard.config(yard.gated("one", "trap 'echo flushed; exit 0' TERM"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    docker("stop", "--time", "20", yard.container(invocation)["Id"])
    (row,) = yard.await_states(invocation, "FAILED")
    assert (row["exit_code"], row["reason"]) == (143, "its container was stopped")
    assert "flushed" in yard.log(invocation, "one")


def test_a_container_that_somebody_removed_is_a_failed_job_that_says_so(yard: Dockyard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    docker("rm", "--force", yard.container(invocation)["Id"])
    (row,) = yard.await_states(invocation, "FAILED")
    assert row["reason"] == "its container was removed by somebody else"


def test_an_image_that_may_not_be_pulled_fails_its_own_job_alone(yard: Dockyard) -> None:
    yard.config(yard.task("here"), yard.task("absent", container="evalyard-test/absent:1"))
    done = yard.call("run", "-c", "run.yaml", "--wait", code=None)
    assert "evalyard-test/absent:1" in done.err
    assert "docker pull" in done.err or "execution.pull" in done.err


def test_a_paused_container_is_running_and_ends_when_it_goes_on(yard: Dockyard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    container = yard.container(invocation)["Id"]
    docker("pause", container)
    yard.open(invocation, "one")
    assert yard.states(invocation) == ["RUNNING"]
    docker("unpause", container)
    yard.await_states(invocation, "SUCCEEDED")

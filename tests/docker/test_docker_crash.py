"""Whatever of ours is killed, the container's own end is what becomes of the job."""

import os
import shutil
import signal

import psutil
import pytest

from tests.cli.yard import command, kill, until
from tests.docker.dockyard import Dockyard

pytestmark = pytest.mark.docker
GOES_ON = "its script was killed; the container runs on"


# Docker's command when its engine goes away just after it began a container.
CUT_OFF = """\
#!/bin/sh
case $1 in
  run)
    {docker} "$@" &
    until {docker} container inspect --format '{{{{.State.Status}}}}' "$(cat "$6")" | grep -q running; do
      sleep 0.1
    done 2>/dev/null
    kill -s KILL "$!"
    echo 'docker: error during connect: EOF' >&2
    exit 125 ;;
  rm) exit 1 ;;
esac
exec {docker} "$@"
"""


def kill_script(yard: Dockyard, invocation: str, name: str, *, all_of_it: bool) -> None:
    """SIGKILL a job script, with all its children or alone."""
    script = psutil.Process(yard.started(invocation, name)["pid"])
    assert command(script)[-1] == "run.sh"
    for process in [script, *(script.children(recursive=True) if all_of_it else [])]:
        kill(process.pid)
    until(lambda: not script.is_running() or script.status() == psutil.STATUS_ZOMBIE, "its end")


@pytest.mark.parametrize("all_of_it", [False, True], ids=["alone", "with its children"])
def test_a_job_outlives_its_script(yard: Dockyard, all_of_it: bool) -> None:
    yard.config(
        yard.gated("good", "echo first"), yard.gated("bad", "trap 'exit 3' EXIT"), execution={"max_parallel": 2}
    )
    invocation = yard.run("run.yaml")
    for name in ("good", "bad"):
        yard.await_log(invocation, name)
        kill_script(yard, invocation, name, all_of_it=all_of_it)
    rows = yard.jobs(invocation)
    assert [(row["state"], row["reason"]) for row in rows] == [("RUNNING", GOES_ON)] * 2
    yard.open(invocation, "good", "bad")
    rows = yard.await_states(invocation, "SUCCEEDED", "FAILED")
    assert rows[1]["reason"] == "exit code 3"
    assert "first\nstarted\n" in yard.call("logs", f"{invocation}.1").out
    yard.await_quiet()
    yard.call("resume", invocation)
    yard.await_log(invocation, "bad")
    assert [(row["state"], row["attempt"]) for row in yard.jobs(invocation)] == [("SUCCEEDED", 1), ("RUNNING", 2)]


def test_a_job_without_its_script_can_be_killed(yard: Dockyard) -> None:
    yard.config(yard.gated("one", "trap 'echo flushed; exit 0' TERM"), execution={"kill_grace_s": 60})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    kill_script(yard, invocation, "one", all_of_it=True)
    assert yard.states(invocation) == ["RUNNING"]
    yard.call("kill", invocation)
    assert yard.states(invocation) == ["CANCELLED"]
    assert "flushed" in yard.log(invocation, "one")
    assert yard.containers(invocation, "status=running") == []
    yard.await_quiet()


def test_a_container_that_is_removed_after_its_script_was_killed_leaves_a_failed_job(yard: Dockyard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    kill_script(yard, invocation, "one", all_of_it=True)
    yard.remove_everything()
    (row,) = yard.await_states(invocation, "FAILED")
    assert "killed" in row["reason"]


def test_a_container_that_began_although_docker_run_failed_is_seen_to_its_end(yard: Dockyard) -> None:
    program = yard.folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(CUT_OFF.format(docker=shutil.which("docker")))
    program.chmod(0o755)
    yard.config(yard.gated("good"), yard.gated("bad", "trap 'exit 3' EXIT"), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml", env={"PATH": f"{program.parent}:{os.environ['PATH']}"})
    for name in ("good", "bad"):
        yard.await_log(invocation, name, "error during connect: EOF")
        yard.await_log(invocation, name, "\nstarted")
    assert yard.states(invocation) == ["RUNNING", "RUNNING"]
    yard.open(invocation, "good", "bad")
    rows = yard.await_states(invocation, "SUCCEEDED", "FAILED")
    assert rows[1]["reason"].startswith("exit code 3")


def test_a_run_that_waits_can_be_killed_and_gone_on_with(yard: Dockyard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"max_parallel": 1})
    waiting = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    invocation = yard.await_begun("one", process=waiting)
    waiting.kill()
    waiting.communicate()
    assert yard.states(invocation) == ["RUNNING", "PENDING"]
    resumed = yard.start("evalyard", "resume", invocation, "--wait")
    yard.open(invocation, "one")
    yard.await_log(invocation, "two")
    yard.open(invocation, "two")
    resumed.communicate()
    assert resumed.returncode == 0
    assert [(row["state"], row["attempt"]) for row in yard.jobs(invocation)] == [("SUCCEEDED", 1)] * 2
    yard.await_no_container(invocation)
    yard.await_quiet()


def test_a_keeper_that_is_killed_costs_nothing_that_runs(yard: Dockyard) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"mode": "sequential"})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    kill(yard.keeper(invocation).pid)
    yard.open(invocation, "one")
    yard.await_states(invocation, "SUCCEEDED", "PENDING")
    yard.call("resume", invocation)
    yard.await_log(invocation, "two")
    yard.open(invocation, "two")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    yard.await_quiet()
    yard.await_no_container(invocation)


def test_by_hand_a_task_runs_beside_as_the_next_attempt_and_its_container_goes(yard: Dockyard) -> None:
    yard.config(yard.gated("one"), yard.task("two"), execution={"keep": "all", "max_parallel": 2})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    refused = yard.program("sh", "run.sh", code=75, folder=yard.task_folder(invocation, "one"))
    assert "attempt 1 is still running" in refused.err
    yard.await_states(invocation, "RUNNING", "SUCCEEDED")
    kept = yard.containers(invocation)
    shown = yard.program("sh", "run.sh", folder=yard.task_folder(invocation, "two"))
    assert "attempt 2 of two" in shown.out
    yard.open(invocation, "one")
    rows = yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    assert [(row["attempt"], row["by_hand"]) for row in rows] == [(1, False), (2, True)]
    assert yard.containers(invocation) == kept


def test_ctrl_c_of_a_task_by_hand_ends_and_removes_its_container(yard: Dockyard) -> None:
    yard.config(yard.task("one", "until [ -e /results/open ]; do sleep 0.1; done; exit 1"))
    invocation = yard.run("run.yaml")
    folder = yard.task_folder(invocation, "one")
    until((folder / "artifacts").is_dir, "its start")
    yard.open(invocation, "one")
    yard.await_states(invocation, "FAILED")
    before = yard.containers(invocation)
    by_hand = yard.start("sh", "run.sh", folder=folder, start_new_session=True)
    until(lambda: len(yard.containers(invocation, "status=running")) == 1, "its container", process=by_hand)
    assert yard.container(invocation, "status=running")["Name"].startswith(f"/ey-{invocation}-1-1-one-by-hand-")
    os.killpg(by_hand.pid, signal.SIGINT)
    by_hand.communicate()
    assert by_hand.returncode == 130
    assert yard.containers(invocation) == before

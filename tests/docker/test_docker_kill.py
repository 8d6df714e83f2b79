"""`evalyard kill` and Ctrl-C of jobs in containers: asked first, then ended, and nothing stays."""

import signal

import pytest

from tests.cli.yard import until
from tests.docker.dockyard import Dockyard, docker, inspected

pytestmark = pytest.mark.docker
NAMES = tuple(f"job{number}" for number in range(8))
STUBBORN = """\
exec >> /shared/ledger
trap 'echo term-{0}' TERM
while :; do echo alive-{0}; sleep 0.2; done"""


def shared(yard: Dockyard, **execution: object) -> dict[str, object]:
    """Return an `execution` section in which all containers see one ledger."""
    (yard.folder / "shared").mkdir()
    yard.ledger = yard.folder / "shared" / "ledger"
    return {"mounts": {"evaluation": {f"{yard.folder}/shared": "/shared"}}, **execution}


def test_a_harness_flushes_when_it_is_killed_and_its_container_is_not_killed_for_it(yard: Dockyard) -> None:
    flush = "trap 'sleep 0.5; echo whole > /results/flushed; exit 0' TERM"
    yard.config(yard.gated("one", flush), execution={"kill_grace_s": 60})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    done = yard.call("kill", invocation)
    assert "CANCELLED" in done.out
    assert (yard.task_folder(invocation, "one") / "artifacts" / "flushed").read_text() == "whole\n"
    assert yard.container(invocation)["State"]["ExitCode"] == 143
    (row,) = yard.jobs(invocation)
    assert (row["state"], row["exit_code"]) == ("CANCELLED", 143)
    yard.await_quiet()


def test_harnesses_that_ignore_sigterm_are_killed_side_by_side_after_one_grace(yard: Dockyard) -> None:
    tasks = [yard.task(name, STUBBORN.format(name)) for name in NAMES]
    yard.config(*tasks, execution=shared(yard, kill_grace_s=4, max_parallel=len(NAMES), keep="all"))
    invocation = yard.run("run.yaml")
    yard.await_notes(*(f"alive-{name}" for name in NAMES))
    done = yard.call("kill", invocation)
    assert done.out.count("CANCELLED") == len(NAMES)
    assert yard.states(invocation) == ["CANCELLED"] * len(NAMES)
    notes = yard.notes()
    last_asked = max(notes.index(f"term-{name}") for name in NAMES)
    for name in NAMES:
        assert f"alive-{name}" in notes[last_asked:], "one was killed before all had been asked"
    ended = [inspected(found)["State"] for found in yard.containers(invocation)]
    assert [(state["Running"], state["ExitCode"]) for state in ended] == [(False, 137)] * len(NAMES)
    yard.await_quiet()


def test_killing_one_job_leaves_the_others_alone(yard: Dockyard) -> None:
    yard.config(*(yard.gated(name) for name in ("one", "two")), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml")
    for name in ("one", "two"):
        yard.await_log(invocation, name)
    yard.call("kill", f"{invocation}.1")
    assert yard.states(invocation) == ["CANCELLED", "RUNNING"]
    yard.open(invocation, "two")
    yard.await_states(invocation, "CANCELLED", "SUCCEEDED")


def test_killing_a_paused_container_ends_it(yard: Dockyard) -> None:
    yard.config(yard.gated("one"), execution={"kill_grace_s": 2, "keep": "none"})
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    docker("pause", yard.container(invocation)["Id"])
    yard.call("kill", invocation)
    assert yard.states(invocation) == ["CANCELLED"]
    yard.await_no_container(invocation)
    yard.await_quiet()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_containers_of_a_run_that_is_waited_for(yard: Dockyard, number: signal.Signals) -> None:
    yard.config(*(yard.gated(name) for name in ("one", "two")), execution={"max_parallel": 1, "keep": "none"})
    running = yard.start("evalyard", "run", "-c", "run.yaml", "--wait")
    invocation = yard.await_begun("one", process=running)
    running.send_signal(number)
    out, err = running.communicate()
    assert running.returncode == 130, (out, err)
    assert set(yard.states(invocation)) == {"CANCELLED"}
    yard.await_no_container(invocation)
    yard.await_quiet()


@pytest.mark.parametrize("ctrl_c", [False, True], ids=["kill", "Ctrl-C"])
def test_jobs_that_are_ended_while_they_begin_leave_nothing_running(yard: Dockyard, ctrl_c: bool) -> None:
    yard.config(*(yard.task(name, "sleep 600") for name in NAMES), execution={"max_parallel": len(NAMES)})
    running = yard.start("evalyard", "run", "-c", "run.yaml")
    until(lambda: yard.invocations() and yard.containers(*yard.invocations()), "a container", pause_s=0)
    (invocation,) = yard.invocations()
    if ctrl_c:
        running.send_signal(signal.SIGINT)
    else:
        yard.call("kill", invocation)
    running.communicate()
    yard.call("kill", invocation)  # it may have been too late to interrupt
    assert yard.states(invocation) == ["CANCELLED"] * len(NAMES)
    yard.await_quiet()
    assert yard.containers(invocation, "status=running") == []

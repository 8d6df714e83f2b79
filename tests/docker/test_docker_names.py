"""One container for each attempt, whoever else starts one; and nobody else's is touched."""

import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalyard import Handle, JobState
from evalyard.testing.rig import Rig, rigged, task
from evalyard_local.plugin import Local
from tests.cli.yard import until
from tests.docker.dockyard import Dockyard, docker, inspected

pytestmark = pytest.mark.docker


@pytest.fixture
def rig(tmp_path: Path, busybox_image: str) -> Iterator[Rig]:
    settings = {"pull": "never", "keep": "none", "kill_grace_s": 0}
    with rigged(Local, "local", settings, tmp_path, busybox_image) as made:
        yield made


def test_two_launchers_of_one_attempt_make_one_container(rig: Rig) -> None:
    trial = rig.trial(*(task("sleep 600", f"claim{number}") for number in range(10)))
    trial.provision()
    together = threading.Barrier(2)
    seen: list[tuple[str, object]] = []

    def launch() -> None:
        for plan in trial.plans:
            together.wait()
            seen.extend(trial.session.launch(trial.run.context(), [plan]).items())

    launchers = [threading.Thread(target=launch) for _ in range(2)]
    for launcher in launchers:
        launcher.start()
    for launcher in launchers:
        launcher.join()
    for name, answer in seen:
        assert isinstance(answer, Handle), (name, answer)
    assert sorted(Counter(answer.id for _, answer in seen if isinstance(answer, Handle)).values()) == [2] * 10

    def made() -> list[str]:
        wanted = f"label=evalyard.invocation={trial.run.id}"
        return docker("ps", "--filter", wanted, "--format", '{{.Label "evalyard.job"}}').split()

    until(lambda: len(made()) >= len(trial.plans), lambda: f"all containers: {made()}")
    assert sorted(made()) == sorted(plan.job for plan in trial.plans)


def test_a_strangers_container_of_the_same_name_is_left_alone_and_is_the_reason(rig: Rig) -> None:
    trial = rig.trial(task("exit 0"))
    (plan,) = trial.plans
    name = plan.environment["EVALYARD_CONTAINER"]
    try:
        theirs = docker("run", "--detach", "--name", name, rig.image, "sleep", "600").strip()
        (handle,) = trial.begin()
        ended = trial.await_end(handle)
        assert ended.state is JobState.FAILED
        assert f"The container name /{name} is already in use" in ended.reason
        trial.cancel()
        trial.close()
        assert inspected(theirs)["State"]["Running"]
    finally:
        docker("rm", "--force", name)


def test_of_fifty_containers_at_most_eight_run_at_once_and_none_stays(yard: Dockyard) -> None:
    yard.config(*(yard.task(f"job{number}", "sleep 0.2") for number in range(50)), execution={"max_parallel": 8})
    wanted = ["--filter=event=start", "--filter=event=die", "--format={{json .}}"]
    with (yard.folder / "events").open("w") as events:
        watching = subprocess.Popen(["docker", "events", "--filter=label=evalyard.invocation", *wanted], stdout=events)
        try:
            invocation = yard.run("run.yaml", "--wait")
            until(lambda: f'"{invocation}"' in (yard.folder / "events").read_text(), "events")
            until(lambda: len(happened(yard, invocation)) == 100, lambda: f"{len(happened(yard, invocation))} events")
        finally:
            watching.kill()
            watching.wait()
    running, most = 0, 0
    for action in happened(yard, invocation):
        running += 1 if action == "start" else -1
        most = max(most, running)
    assert (running, 2 <= most <= 8) == (0, True)
    assert yard.states(invocation) == ["SUCCEEDED"] * 50
    yard.await_no_container(invocation)
    yard.await_quiet()


def happened(yard: Dockyard, invocation: str) -> list[str]:
    """Return the starts and ends of an invocation's containers, in their order."""
    lines = (yard.folder / "events").read_text().split("\n")[:-1]
    events = [json.loads(line) for line in lines]
    events = [event for event in events if event["Actor"]["Attributes"]["evalyard.invocation"] == invocation]
    return [event["Action"] for event in sorted(events, key=lambda event: event["timeNano"])]


def test_a_container_whose_record_is_gone_is_found_and_nothing_of_anothers(yard: Dockyard) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    yard.await_log(invocation, "one")
    ours = yard.container(invocation)["Id"]
    another = {"EVALYARD_HOME": str(yard.folder / "another-home")}
    assert json.loads(yard.call("gc", "--json", env=another).out) == []
    assert json.loads(yard.call("gc", "--json").out) == []
    shutil.rmtree(yard.home / "runs" / invocation)
    assert json.loads(yard.call("gc", "--json", env=another).out) == []
    assert yard.containers(invocation, "status=running") == [ours]
    (would,) = json.loads(yard.call("gc", "--dry-run", "--json").out)
    assert (would["name"], would["why"], would["removed"]) == (f"ey-{invocation}-1-1", "in no record", False)
    assert yard.containers(invocation, "status=running") == [ours]
    yard.call("gc")
    yard.await_quiet()
    yard.await_no_container(invocation)


def test_an_ended_container_whose_record_is_gone_is_found(yard: Dockyard) -> None:
    yard.config(yard.task("one", "exit 3"))
    invocation = yard.call("run", "-c", "run.yaml", "--wait", code=1).out.split()[0]
    assert json.loads(yard.call("gc", "--json").out) == [], "a container that is kept is in the records"
    shutil.rmtree(yard.home / "runs" / invocation)
    (found,) = json.loads(yard.call("gc", "--json").out)
    assert (found["name"], found["removed"]) == (f"ey-{invocation}-1-1", True)
    yard.await_no_container(invocation)

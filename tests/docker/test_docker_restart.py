"""The Docker engine goes away and comes back in the middle of a run."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.yard import until
from tests.docker.dockyard import Dockyard
from tests.docker.engines import Engine

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start an engine"),
]
STOPPED = "its container was stopped"
KILLED = "killed by SIGKILL: by somebody, or for want of memory"
ENDINGS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])


@pytest.fixture
def engine(request: pytest.FixtureRequest, busybox_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine of the test's own, which all commands use; the parameter says whether containers outlive it."""
    engine = Engine(live_restore=request.param)
    try:
        engine.start()
        engine.load(busybox_image)
        monkeypatch.setenv("DOCKER_HOST", engine.env["DOCKER_HOST"])
        yield engine
    finally:
        engine.remove()


@pytest.fixture
def yard(tmp_path: Path, engine: Engine, busybox_image: str) -> Iterator[Dockyard]:  # noqa: ARG001 - must be there
    yard = Dockyard(tmp_path, busybox_image)
    try:
        yield yard
    finally:
        yard.end_everything()


def await_running(yard: Dockyard, invocation: str, count: int) -> None:
    """Wait until the engine has it on its disk that so many containers run: it forgets those that it was starting."""
    until(lambda: len(yard.containers(invocation, "status=running")) == count, f"{count} containers")


@ENDINGS
@pytest.mark.parametrize("engine", [True], indirect=True, ids=["live-restore"])
def test_a_container_that_outlives_the_engine_succeeds(yard: Dockyard, engine: Engine, number: signal.Signals) -> None:
    yard.config(yard.gated("one"), yard.gated("two"), execution={"max_parallel": 2})
    invocation = yard.run("run.yaml")
    await_running(yard, invocation, 2)
    engine.stop(number)
    for row in yard.jobs(invocation):
        assert row["state"] == "UNKNOWN", row
        assert engine.env["DOCKER_HOST"] in row["reason"]
    yard.open(invocation, "two")  # ends while nobody can tell
    engine.start()
    yard.await_states(invocation, "RUNNING", "SUCCEEDED")
    yard.open(invocation, "one")
    yard.await_states(invocation, "SUCCEEDED", "SUCCEEDED")
    until(lambda: not yard.containers(invocation), "both containers to be removed")
    yard.await_quiet()


@ENDINGS
@pytest.mark.parametrize("engine", [False], indirect=True, ids=["stopped with it"])
def test_a_container_that_the_engine_takes_along_is_a_failed_job_that_can_be_resumed(
    yard: Dockyard, engine: Engine, number: signal.Signals
) -> None:
    yard.config(yard.gated("one"))
    invocation = yard.run("run.yaml")
    await_running(yard, invocation, 1)
    engine.stop(number)
    (row,) = yard.jobs(invocation)
    # The engine may have had the time to say that it stopped it.
    assert row["state"] == "UNKNOWN" or row["reason"] == STOPPED
    engine.start()
    (row,) = yard.await_states(invocation, "FAILED")
    assert (row["reason"], row["exit_code"]) in [(STOPPED, 143), (KILLED, 137)]
    yard.call("resume", invocation)
    yard.await_log(invocation, "one")
    yard.open(invocation, "one")
    (row,) = yard.await_states(invocation, "SUCCEEDED")
    assert row["attempt"] == 2
    yard.await_quiet()


@pytest.mark.parametrize("engine", [True], indirect=True, ids=["live-restore"])
def test_a_container_that_cannot_be_ended_is_named_until_it_can(yard: Dockyard, engine: Engine) -> None:
    yard.config(yard.gated("one"), execution={"kill_grace_s": 1, "keep": "none"})
    invocation = yard.run("run.yaml")
    await_running(yard, invocation, 1)
    engine.stop()
    done = yard.call("kill", invocation, code=3)
    assert f"ey-{invocation}-1-1" in done.err
    assert yard.states(invocation) == ["UNKNOWN"]
    engine.start()
    assert yard.containers(invocation, "status=running")
    yard.call("kill", invocation)
    assert yard.states(invocation) == ["CANCELLED"]
    yard.await_no_container(invocation)
    yard.await_quiet()

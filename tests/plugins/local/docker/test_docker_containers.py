"""evalyard_local.docker.containers: what the engine's account of containers means, and what is done about them."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from attrs import evolve

from evalyard import BackendError, Connection, Context, ExitRecord, Handle, JobState, NeedKind, Observation
from evalyard_local.docker import containers
from evalyard_local.docker.containers import GOES_ON, KILLED, OUT_OF_MEMORY, ended
from tests.plugins.local.docker.sdk import MARKS, OWNER, Engine

BEGAN = "2026-05-04T03:02:01.123456789Z"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()

    @contextmanager
    def asked(_: Context) -> Iterator[Engine]:
        yield made

    monkeypatch.setattr(containers, "asking", asked)
    return made


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Context) -> NoReturn:
        raise BackendError("the Docker engine does not answer")

    monkeypatch.setattr(containers, "asking", refused)


CTX = Context(connection=Connection(executor="local"), owner=OWNER, deadline=time.monotonic() + 3600)
RUNNING = Observation(state=JobState.RUNNING)
DEAD = Observation(state=JobState.FAILED, reason="its script was killed")
DONE = Observation(
    state=JobState.SUCCEEDED,
    exit=ExitRecord(
        attempt=1, mark=MARKS[0], by_hand=False, exit_code=0, results=True, started_at=BEGAN, ended_at=BEGAN
    ),
)


def handle(number: int = 1, *, kind: str = "job", **data: str) -> Handle:
    return Handle(name=f"ey-{number}", mark=MARKS[number - 1], kind=kind, data={"container": "c", **data})


# --- what an account means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "results_there", "state", "reason"),
    [
        ({"ExitCode": 0}, True, JobState.SUCCEEDED, ""),
        ({"ExitCode": 0}, False, JobState.FAILED, "the harness exited with code 0 and left no result file"),
        ({"ExitCode": 0, "OOMKilled": True}, True, JobState.SUCCEEDED, ""),
        ({"ExitCode": 3}, True, JobState.FAILED, "exit code 3"),
        ({"ExitCode": 137}, True, JobState.FAILED, KILLED),
        ({"ExitCode": 137, "OOMKilled": True}, True, JobState.FAILED, OUT_OF_MEMORY),
        ({"ExitCode": 127, "Error": "no such file"}, True, JobState.FAILED, "no such file"),
        ({}, True, JobState.FAILED, "exit code -1"),
    ],
)
def test_an_ended_container_proves_what_became_of_its_job(
    account: dict[str, Any], results_there: bool, state: JobState, reason: str
) -> None:
    seen = ended({"Status": "exited", "StartedAt": BEGAN, **account}, results_there=results_there)
    assert seen == Observation(state=state, reason=reason, started_at=BEGAN)


@pytest.mark.parametrize(
    ("error", "reason"), [("", "its container was made and never started"), ("no such GPU", "no such GPU")]
)
def test_a_container_that_never_began_is_a_failure(error: str, reason: str) -> None:
    account = {"Status": "created", "ExitCode": 0, "Error": error, "StartedAt": "0001-01-01T00:00:00Z"}
    assert ended(account, results_there=True) == Observation(state=JobState.FAILED, reason=reason)


# --- observe ----------------------------------------------------------------------------------------------------------


def test_what_left_an_exit_file_is_not_asked_about(engine: Engine) -> None:
    assert containers.observe(CTX, [handle()], {"ey-1": DONE}) == {}
    assert engine.done == []


def test_one_question_is_asked_for_all_and_only_those_without_a_script_are_said_anew(engine: Engine) -> None:
    for mark in MARKS[:3]:
        engine.add(mark, "running")
    handles = [handle(number) for number in range(1, 6)]
    seen = {"ey-1": RUNNING, "ey-2": DEAD, "ey-3": None, "ey-4": DEAD, "ey-5": DONE}
    goes_on = Observation(state=JobState.RUNNING, reason=GOES_ON)
    assert containers.observe(CTX, handles, seen) == {"ey-2": goes_on, "ey-3": goes_on}
    assert engine.done == [("list",)]


def test_an_engine_that_answered_is_not_asked_again_soon_while_every_script_lives(engine: Engine) -> None:
    engine.add(MARKS[0], "running")
    trust = containers.Trust()
    for _ in range(3):
        assert containers.observe(CTX, [handle()], {"ey-1": RUNNING}, trust) == {}
    assert engine.done == [("list",)]
    goes_on = Observation(state=JobState.RUNNING, reason=GOES_ON)
    assert containers.observe(CTX, [handle()], {"ey-1": DEAD}, trust) == {"ey-1": goes_on}
    trust.until = time.monotonic()
    containers.observe(CTX, [handle()], {"ey-1": RUNNING}, trust)
    assert engine.done == [("list",)] * 3


@pytest.mark.usefixtures("no_engine")
def test_an_engine_that_did_not_answer_is_asked_again() -> None:
    trust = containers.Trust()
    for _ in range(2):
        (seen,) = containers.observe(CTX, [handle()], {"ey-1": RUNNING}, trust).values()
        assert seen.state is JobState.UNKNOWN


@pytest.mark.parametrize(("there", "state"), [(True, JobState.SUCCEEDED), (False, JobState.FAILED)])
def test_a_container_whose_script_was_killed_is_judged_by_the_result_file_too(
    engine: Engine, tmp_path: Path, there: bool, state: JobState
) -> None:
    engine.add(MARKS[0], Status="exited", ExitCode=0)
    (tmp_path / "artifacts").mkdir()
    if there:
        (tmp_path / "artifacts" / "results.yml").touch()
    job = handle(directory=str(tmp_path), results="results.yml")
    assert containers.observe(CTX, [job], {"ey-1": DEAD})["ey-1"].state is state


def test_a_container_that_vanishes_between_two_questions_was_removed(engine: Engine) -> None:
    engine.add(MARKS[0])
    engine.vanishing = True
    gone = Observation(state=JobState.FAILED, reason="its container was removed by somebody else")
    assert containers.observe(CTX, [handle()], {"ey-1": DEAD}) == {"ey-1": gone}


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_nothing_is_known_but_what_is_on_record() -> None:
    unknown = Observation(state=JobState.UNKNOWN, reason="the Docker engine does not answer")
    seen = {"ey-1": DONE, "ey-2": RUNNING, "ey-3": DEAD}
    assert containers.observe(CTX, [handle(number) for number in (1, 2, 3)], seen) == {
        "ey-2": unknown,
        "ey-3": unknown,
    }


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        *((state, True) for state in ("running", "paused", "restarting", "removing")),
        *((state, False) for state in ("created", "exited", "dead")),
    ],
)
def test_what_the_engine_calls_running(engine: Engine, state: str, runs: bool) -> None:
    engine.add(MARKS[0], state)
    assert containers.running(CTX, handle()) is runs
    assert not containers.running(CTX, handle(2))


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_nothing_runs_for_a_log() -> None:
    assert not containers.running(CTX, handle())


# --- end and remove ---------------------------------------------------------------------------------------------------


def test_who_was_asked_already_gets_no_second_grace(engine: Engine) -> None:
    first, second = (engine.add(mark, "running") for mark in MARKS[:2])
    engine.add(MARKS[2])
    handles = [handle(number, grace_s="4.5") for number in (1, 2, 3)]
    assert containers.end(CTX, handles, ["ey-2"]) == ()
    stops = sorted(call for call in engine.done if call[0] == "stop")
    assert stops == [("stop", first, 0), ("stop", second, 5)]


def test_what_cannot_be_ended_is_handed_back_and_not_removed(engine: Engine) -> None:
    engine.add(MARKS[0], "running")
    engine.stubborn = True
    assert containers.end(CTX, [handle()], []) == (handle(),)
    assert containers.remove(CTX, [handle()], [], []) == (handle(),)
    assert engine.things


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_everything_is_handed_back() -> None:
    handles = [handle(number) for number in (1, 2)]
    assert containers.end(CTX, handles, []) == containers.remove(CTX, handles, [], []) == tuple(handles)
    assert containers.end(CTX, [], []) == ()


def test_a_container_that_is_gone_meanwhile_is_as_good_as_removed(engine: Engine) -> None:
    engine.add(MARKS[0])
    engine.vanishing = True
    assert containers.remove(CTX, [handle()], [], []) == ()


@pytest.mark.parametrize(
    ("keep", "kind", "succeeded", "stays"),
    [
        ("all", "job", True, True),
        ("all", NeedKind.SERVER, False, True),
        ("failed", "job", False, True),
        ("failed", "job", True, False),
        ("failed", NeedKind.SERVER, False, False),
        ("none", "job", False, False),
        ("", NeedKind.RESOURCE, False, False),
    ],
)
def test_a_container_stays_as_long_as_it_is_to_be_kept_and_its_network_never(
    engine: Engine, keep: str, kind: str, succeeded: bool, stays: bool
) -> None:
    engine.add(MARKS[0], "running")
    if kind != "job":  # only servers have networks
        engine.nets["net"] = {"Id": "net", "Name": "n", "Labels": {"evalyard.token": MARKS[0]}}
    engine.nets["other"] = {"Id": "other", "Name": "o", "Labels": {"evalyard.token": MARKS[1]}}
    held = evolve(handle(kind=kind), data={"keep": keep} if keep else {})
    assert containers.remove(CTX, [held], [], ["ey-1"] if succeeded else []) == ()
    assert [thing["State"] for thing in engine.things.values()] == (["exited"] if stays else [])
    assert list(engine.nets) == ["other"]


@pytest.mark.parametrize("keep", ["all", "failed", "none"])
def test_one_that_never_began_cannot_begin_once_its_job_was_ended(engine: Engine, keep: str) -> None:
    waiting = engine.add(MARKS[0], "created")
    assert containers.end(CTX, [handle(keep=keep)], []) == ()
    assert ("remove", waiting) in engine.done


def test_about_what_has_ended_and_stays_the_engine_is_asked_once(engine: Engine) -> None:
    for mark in MARKS:
        engine.add(mark)
    assert containers.remove(CTX, [handle(number, keep="all") for number in range(1, 6)], [], []) == ()
    assert engine.done == [("list",)]


def test_a_removal_that_somebody_else_is_at_is_waited_for(engine: Engine) -> None:
    engine.add(MARKS[0])
    engine.conflicts = 2
    assert containers.remove(CTX, [handle()], [], []) == ()
    assert not engine.things


def test_many_are_ended_side_by_side(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = [handle(number) for number in (1, 2, 3)]
    meeting = threading.Barrier(len(handles), timeout=30)
    for mark in MARKS[:3]:
        engine.add(mark, "running")
    stop = Engine.stop

    def together(made: Engine, identity: str, timeout: int) -> None:
        meeting.wait()
        stop(made, identity, timeout)

    monkeypatch.setattr(Engine, "stop", together)
    assert containers.end(CTX, handles, []) == ()


# --- orphans ----------------------------------------------------------------------------------------------------------


def test_what_this_launcher_made_and_no_record_knows_is_an_orphan(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/docker")
    engine.add(MARKS[0])
    unknown = engine.add(MARKS[1], "running")
    engine.things[engine.add(MARKS[2])]["Labels"]["evalyard.owner"] = "somebody else"
    for number in (0, 3):
        labels = {"evalyard.token": MARKS[number], "evalyard.owner": OWNER}
        engine.nets[f"net-{number}"] = {"Id": f"net-{number}", "Name": f"ey-net-{number}", "Labels": labels}
    assert containers.orphans(CTX, {"ey-1": MARKS[0]}) == (
        Handle(name="ey-2", mark=MARKS[1], kind=NeedKind.RESOURCE, id=unknown, data={"container": "ey-2"}),
        Handle(name="ey-net-3", mark=MARKS[3], kind=NeedKind.RESOURCE, id="net-3", data={"container": "ey-net-3"}),
    )


def test_where_there_is_no_docker_nothing_was_ever_made(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    engine.add(MARKS[0])
    assert containers.orphans(CTX, {}) == ()


def test_only_what_has_a_container_is_looked_for() -> None:
    process = Handle(name="p", mark=MARKS[1], data={"directory": "/run"})
    assert containers.contained([process, handle(), Handle(name="f", mark="")]) == [handle()]

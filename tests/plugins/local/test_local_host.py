"""evalyard_local.host: handles of processes, and what is true of them now."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from evalyard import (
    Handle,
    JobState,
    LaunchError,
    NeedKind,
    Observation,
    Plan,
    read_exit,
    read_start,
)
from evalyard_local import host, processes
from evalyard_local.processes import Attempt, leader
from tests.plugins.local.attempts import (
    MARK,
    OTHER_MARK,
    PATIENT,
    SCRIPT,
    Yard,
    attempt_in,
    file_of,
    gone,
    handle_of,
    job_in,
    moment,
    record_exit,
    record_start,
    until,
)

NAME = "ey-a1b2c3d4-1-1"
OWNER = "0f1e2d3c"


def plan_of(attempt: Attempt, *, argv: tuple[str, ...] = SCRIPT) -> Plan:
    return Plan(
        job="a1b2c3d4.1",
        task="smoke",
        attempt=attempt.number,
        name=NAME,
        mark=attempt.mark,
        directory=str(attempt.directory),
        argv=argv,
        grace_s=4.5,
        payload={"withheld": ["MY_KEY"]},
    )


# --- observe --------------------------------------------------------------------------------------------------------


def test_nothing_there_is_no_observation(tmp_path: Path) -> None:
    assert host.observe(handle_of(attempt_in(tmp_path))) is None
    assert host.observe(handle_of(Attempt(directory=tmp_path / "deleted", number=1, mark=MARK))) is None


def test_a_living_attempt_runs_since_its_start(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, PATIENT)
    yard.start(attempt)
    started = read_start(tmp_path, 1)
    assert started is not None
    assert host.observe(handle_of(attempt)) == Observation(state=JobState.RUNNING, started_at=started.started_at)


@pytest.mark.parametrize(
    ("content", "progress"),
    [(b"40/100\n", "40/100"), (b"", ""), (b"x" * 40, ""), (b"\xff\xfe", "")],
    ids=["short", "empty", "too long", "no UTF-8"],
)
def test_progress_is_what_the_harness_wrote_if_it_is_short_text(
    yard: Yard, tmp_path: Path, content: bytes, progress: str
) -> None:
    attempt = attempt_in(tmp_path)
    yard.lead(attempt, PATIENT)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "progress").write_bytes(content)
    seen = host.observe(handle_of(attempt))
    assert seen is not None
    assert (seen.state, seen.progress) == (JobState.RUNNING, progress)


@pytest.mark.parametrize(
    ("command", "results", "state", "exit_code"),
    [
        ("true", None, JobState.SUCCEEDED, 0),
        (': >"$EVALYARD_OUTPUT_DIR/results.yml"', "results.yml", JobState.SUCCEEDED, 0),
        ("true", "results.yml", JobState.FAILED, 0),
        ("exit 7", None, JobState.FAILED, 7),
    ],
    ids=["nothing expected", "results there", "results missing", "exit code"],
)
def test_an_ended_attempt_is_what_its_exit_file_says(
    yard: Yard, tmp_path: Path, command: str, results: str | None, state: JobState, exit_code: int
) -> None:
    attempt = job_in(tmp_path, command, results=results)
    yard.run_to_its_end(attempt)
    record = read_exit(tmp_path, 1)
    assert record is not None
    assert record.exit_code == exit_code
    assert host.observe(handle_of(attempt)) == Observation(state=state, reason=record.reason, exit=record)


def test_an_exit_file_counts_although_the_script_still_tidies_up(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    yard.lead(attempt, PATIENT)
    record_exit(attempt)
    seen = host.observe(handle_of(attempt))
    assert seen is not None
    assert seen.state is JobState.SUCCEEDED


def test_one_that_ends_while_it_is_looked_at_never_looks_killed(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, PATIENT)
    look = processes.leader

    def look_and_end(attempt: Attempt) -> psutil.Process | None:
        found = look(attempt)
        record_exit(attempt)
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: gone(process.pid))
        return found

    monkeypatch.setattr(processes, "leader", look_and_end)
    seen = host.observe(handle_of(attempt))
    assert seen is not None
    assert seen.state is JobState.SUCCEEDED


def test_a_killed_script_is_a_failure_that_says_so(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, PATIENT)
    os.kill(yard.start(attempt), signal.SIGKILL)
    until(lambda: leader(attempt) is None)
    reason = "the job script was killed before it could record how it ended"
    assert host.observe(handle_of(attempt)) == Observation(state=JobState.FAILED, reason=reason)


def test_a_restart_of_the_machine_is_a_loss_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = attempt_in(tmp_path)
    record_start(attempt, os.getpid(), started_at=moment(-3600))
    monkeypatch.setattr(psutil, "boot_time", lambda: time.time() - 60)
    reason = "this machine was restarted while it ran"
    assert host.observe(handle_of(attempt)) == Observation(state=JobState.LOST, reason=reason)


def test_what_ended_before_the_restart_keeps_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = attempt_in(tmp_path)
    record_start(attempt, os.getpid(), started_at=moment(-3600))
    record_exit(attempt)
    monkeypatch.setattr(psutil, "boot_time", lambda: time.time() - 60)
    seen = host.observe(handle_of(attempt))
    assert seen is not None
    assert seen.state is JobState.SUCCEEDED


DAMAGE = pytest.mark.parametrize(
    "damaged", [b"", b'{"attempt": 1, "ma', b"[]", b"\xff"], ids=["empty", "torn", "a list", "no UTF-8"]
)


@DAMAGE
def test_a_damaged_start_record_is_as_good_as_none(yard: Yard, tmp_path: Path, damaged: bytes) -> None:
    attempt = attempt_in(tmp_path)
    yard.lead(attempt, PATIENT)
    file = file_of(attempt, "started.json")
    whole = file.read_bytes()
    file.write_bytes(damaged)
    assert host.observe(handle_of(attempt)) is None
    file.write_bytes(whole)


@DAMAGE
def test_a_damaged_start_record_does_not_hide_how_it_ended(tmp_path: Path, damaged: bytes) -> None:
    attempt = attempt_in(tmp_path)
    record_exit(attempt, 3)
    file_of(attempt, "started.json").write_bytes(damaged)
    seen = host.observe(handle_of(attempt))
    assert seen is not None
    assert (seen.state, seen.exit) == (JobState.FAILED, read_exit(tmp_path, 1))


@DAMAGE
def test_a_damaged_exit_record_is_as_good_as_none(yard: Yard, tmp_path: Path, damaged: bytes) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, PATIENT)
    file_of(attempt, "exit.json").write_bytes(damaged)
    alive = host.observe(handle_of(attempt))
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: gone(process.pid))
    dead = host.observe(handle_of(attempt))
    assert alive is not None
    assert dead is not None
    assert (alive.state, dead.state, dead.reason) == (JobState.RUNNING, JobState.FAILED, host.KILLED)


def test_what_somebody_else_left_under_our_number_says_nothing_of_ours(tmp_path: Path) -> None:
    theirs = attempt_in(tmp_path, mark=OTHER_MARK)
    record_start(theirs, os.getpid())
    record_exit(theirs)
    assert host.observe(handle_of(attempt_in(tmp_path))) is None


def test_what_runs_on_another_host_is_not_known_until_it_has_ended(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    record_start(attempt, os.getpid(), host="some-other-host")
    running = host.observe(handle_of(attempt))
    record_exit(attempt)
    ended = host.observe(handle_of(attempt))
    assert running is not None
    assert ended is not None
    assert (running.state, ended.state) == (JobState.UNKNOWN, JobState.SUCCEEDED)
    assert "some-other-host" in running.reason


def test_written_files_are_there_as_long_as_their_folder_is(tmp_path: Path) -> None:
    handle = Handle(name="files", mark=MARK, kind=NeedKind.FILES, data={"directory": str(tmp_path / "run")})
    assert host.observe(handle) is None
    (tmp_path / "run").mkdir()
    assert host.observe(handle) == Observation(state=JobState.RUNNING)


# --- start, adopt, find ---------------------------------------------------------------------------------------------


def test_a_started_job_has_a_handle_that_finds_it_again(yard: Yard, tmp_path: Path) -> None:
    attempt = yard.clear_later(job_in(tmp_path, PATIENT, number=2))
    handle = host.start_job(plan_of(attempt), OWNER)
    found = leader(attempt)
    assert found is not None
    assert handle == Handle(
        name=NAME,
        mark=MARK,
        kind="job",
        id=str(found.pid),
        data={"directory": str(tmp_path), "attempt": "2", "grace_s": "4.5"},
    )
    assert host.start_job(plan_of(attempt), OWNER) == handle


def test_a_job_in_a_container_keeps_what_its_plan_says_of_it(yard: Yard, tmp_path: Path) -> None:
    show = 'echo "$EVALYARD_CONTAINER $EVALYARD_NAME $EVALYARD_OWNER" >said; mv said ready'
    attempt = yard.clear_later(job_in(tmp_path / "task", f"{show}; {PATIENT}"))
    plan = evolve(
        plan_of(attempt),
        environment={"EVALYARD_CONTAINER": f"{NAME}-smoke"},
        payload={"keep": "failed", "results": "results.yml"},
    )
    handle = host.start_job(plan, OWNER)
    assert isinstance(handle, Handle)
    told = {name: handle.data.get(name) for name in ("container", "keep", "results")}
    assert told == {"container": f"{NAME}-smoke", "keep": "failed", "results": "results.yml"}
    assert host.find(tmp_path, {NAME: MARK}) == {NAME: handle}
    until((tmp_path / "task" / "ready").exists)
    assert (tmp_path / "task" / "ready").read_text() == f"{NAME}-smoke {NAME} {OWNER}\n"


def test_an_owners_processes_that_are_in_no_record_are_found(yard: Yard, tmp_path: Path) -> None:
    owner = f"owner-{tmp_path.name}"
    attempt = yard.clear_later(job_in(tmp_path, PATIENT))
    handle = host.start_job(plan_of(attempt), owner)
    assert isinstance(handle, Handle)
    assert host.orphans(owner, {}) == (handle,)
    assert host.orphans(owner, {NAME: MARK}) == ()
    assert host.orphans("somebody else", {}) == ()


def test_what_lives_and_what_succeeded_is_told_from_its_files_and_processes(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "until [ -e go ]; do sleep 0.02; done")
    yard.start(attempt)
    handle = handle_of(attempt)
    assert (host.lives(handle), host.succeeded(handle)) == (True, False)
    (tmp_path / "go").touch()
    until(lambda: not host.lives(handle))
    assert host.succeeded(handle)
    assert not host.succeeded(evolve(handle, mark=OTHER_MARK))
    unheard = Handle(name=NAME, mark=MARK)
    assert not host.lives(unheard)
    assert not host.succeeded(unheard)


def test_a_job_that_cannot_start_is_refused_for_good(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    refused = host.start_job(plan_of(attempt, argv=("./run.sh",)), OWNER)
    message = f"cannot start ./run.sh in {tmp_path}: No such file or directory"
    assert refused == LaunchError(message=message, transient=False)


def test_a_job_that_says_nothing_in_time_is_unclear(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = yard.clear_later(job_in(tmp_path, PATIENT))
    script = (tmp_path / "run.sh").read_text()
    (tmp_path / "run.sh").write_text(f"until [ -e go ]; do sleep 0.01; done\n{script}")
    with monkeypatch.context() as patched:
        patched.setattr(processes, "START_PATIENCE_S", 0.1)
        unclear = host.start_job(plan_of(attempt), OWNER)
    assert isinstance(unclear, LaunchError)
    assert unclear.transient
    (tmp_path / "go").touch()
    until(lambda: leader(attempt))


def test_attempts_are_found_by_their_marks_and_nothing_else_is(tmp_path: Path) -> None:
    folders = {"one": attempt_in(tmp_path / "one"), "two": attempt_in(tmp_path / "two")}
    marks = {number: f"{number:032x}" for number in range(1, 5)}
    record_start(evolve(folders["one"], mark=marks[1]), 101)
    record_start(evolve(folders["one"], number=2, mark=marks[2]), 102)
    record_start(evolve(folders["one"], number=10, mark=marks[3]), 110)
    record_start(evolve(folders["two"], mark=marks[4]), 201)
    record_start(evolve(folders["two"], number=2, mark=""), 202)
    found = host.find(tmp_path, {"b": marks[2], "j": marks[3], "other": marks[4], "lost": OTHER_MARK})
    places = {name: (Path(handle.data["directory"]).name, handle.data["attempt"]) for name, handle in found.items()}
    assert places == {"b": ("one", "2"), "j": ("one", "10"), "other": ("two", "1")}
    assert {name: (handle.name, handle.mark, handle.kind, handle.id) for name, handle in found.items()} == {
        "b": ("b", marks[2], "job", "102"),
        "j": ("j", marks[3], "job", "110"),
        "other": ("other", marks[4], "job", "201"),
    }


def test_damaged_records_and_strange_folders_hide_no_other_attempt(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path / "task", number=3)
    record_start(attempt, 103)
    for number, content in (("1", b"\xff"), ("2", b"{")):
        (tmp_path / "task" / "attempts" / number).mkdir()
        (tmp_path / "task" / "attempts" / number / "started.json").write_bytes(content)
    (tmp_path / "task" / "attempts" / "notes").mkdir()
    (tmp_path / "stray" / "attempts").mkdir(parents=True)
    assert set(host.find(tmp_path, {NAME: MARK})) == {NAME}


def test_in_a_folder_that_is_not_there_nothing_is_found(tmp_path: Path) -> None:
    assert host.find(tmp_path / "deleted", {NAME: MARK}) == {}

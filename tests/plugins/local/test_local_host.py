"""evalyard_local.host: handles of processes, and what is true of them now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from evalyard import (
    BackendError,
    Handle,
    InvalidJob,
    JobState,
    LaunchError,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    Plan,
    read_exit,
    read_start,
    server_script,
)
from evalyard_local import host, processes
from evalyard_local.processes import Attempt, leader
from tests.plugins.local.attempts import (
    MARK,
    OTHER_MARK,
    PATIENCE_S,
    PATIENT,
    SCRIPT,
    Yard,
    attempt_in,
    gone,
    handle_of,
    job_in,
    make_server,
    moment,
    record_exit,
    record_start,
    until,
)

NAME = "ey-a1b2c3d4-1-1"
SERVER_NAME = "ey-a1b2c3d4-server-1"
LOG_BYTES = 100_000


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
    )


def server_in(run_dir: Path, *, script: str = "exec sleep 600", port: int = 0, attempt: int = 1) -> Need:
    directory = run_dir / "deployment"
    directory.mkdir(exist_ok=True)
    (directory / "run.sh").write_text(server_script(make_server(script=script), "a1b2c3d4"), encoding="utf-8")
    return Need(
        key="server",
        kind=NeedKind.SERVER,
        directory=str(directory),
        argv=SCRIPT,
        payload={"port": port, "grace_s": 1.5},
        name=SERVER_NAME,
        mark=MARK,
        attempt=attempt,
    )


def attempt_of(need: Need) -> Attempt:
    return Attempt(directory=Path(need.directory), number=need.attempt, mark=need.mark)


def file_of(attempt: Attempt, name: str) -> Path:
    return attempt.directory / "attempts" / str(attempt.number) / name


def run_to_its_end(yard: Yard, attempt: Attempt) -> None:
    yard.start(attempt)
    until(lambda: leader(attempt) is None)


def start_server(yard: Yard, need: Need) -> Handle:
    yard.clear_later(attempt_of(need))
    return host.start_server(need)


def everything(handle: Handle, role: str = "client") -> LogChunk:
    return host.read_logs(handle, role, "", LOG_BYTES)


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
    run_to_its_end(yard, attempt)
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


def test_written_files_are_there_as_long_as_their_folder_is(tmp_path: Path) -> None:
    handle = Handle(name="files", mark=MARK, kind=NeedKind.FILES, data={"directory": str(tmp_path / "run")})
    assert host.observe(handle) is None
    (tmp_path / "run").mkdir()
    assert host.observe(handle) == Observation(state=JobState.RUNNING)


# --- start, adopt, find ---------------------------------------------------------------------------------------------


def test_a_started_job_has_a_handle_that_finds_it_again(yard: Yard, tmp_path: Path) -> None:
    attempt = yard.clear_later(job_in(tmp_path, PATIENT, number=2))
    handle = host.start_job(plan_of(attempt))
    found = leader(attempt)
    assert found is not None
    assert handle == Handle(
        name=NAME,
        mark=MARK,
        kind="job",
        id=str(found.pid),
        data={"directory": str(tmp_path), "attempt": "2", "grace_s": "4.5"},
    )
    assert host.start_job(plan_of(attempt)) == handle


def test_a_job_that_cannot_start_is_refused_for_good(tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    refused = host.start_job(plan_of(attempt, argv=("./run.sh",)))
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
        unclear = host.start_job(plan_of(attempt))
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


# --- servers --------------------------------------------------------------------------------------------------------


def outputs(need: Need, port: int) -> Mapping[str, str]:
    exit_file = Path(need.directory) / "attempts" / str(need.attempt) / "exit.json"
    return {"base_url": f"http://127.0.0.1:{port}", "exit_file": str(exit_file)}


def test_a_server_says_where_it_serves_and_where_its_end_will_be_recorded(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path, script='echo "$HOST:$PORT" >ready; exec sleep 600', port=8123)
    handle = start_server(yard, need)
    assert (handle.name, handle.mark, handle.kind) == (SERVER_NAME, MARK, NeedKind.SERVER)
    assert handle.outputs == outputs(need, 8123)
    assert handle.data == {"directory": need.directory, "attempt": "1", "grace_s": "1.5"}
    until((Path(need.directory) / "ready").exists)
    until(lambda: (Path(need.directory) / "ready").read_text() == "127.0.0.1:8123\n")
    assert host.end([handle], time.monotonic() + PATIENCE_S) == ()
    assert Path(handle.outputs["exit_file"]).exists()


def test_the_settled_port_survives_adoption(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path)
    first = start_server(yard, need)
    port = int(first.outputs["base_url"].rpartition(":")[2])
    assert 0 < port < 65536
    assert start_server(yard, need) == first
    found = host.find(tmp_path, {SERVER_NAME: MARK})[SERVER_NAME]
    assert (found.kind, found.id, found.outputs) == (NeedKind.SERVER, first.id, first.outputs)


def test_the_next_attempt_at_a_server_settles_a_port_of_its_own(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([20001, 20002])
    monkeypatch.setattr(host, "free_port", lambda _: next(ports))
    for number, port in ((1, 20001), (2, 20002)):
        need = server_in(tmp_path, attempt=number, script="true")
        assert start_server(yard, need).outputs == outputs(need, port)
        until((Path(need.directory) / "attempts" / str(number) / "exit.json").exists)


def test_of_two_who_settle_a_port_at_once_both_have_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    file = file_of(attempt, "port")

    def slower_than_another(_: str) -> int:
        file.write_text("20001")
        return 20002

    monkeypatch.setattr(host, "free_port", slower_than_another)
    assert host._settled_port(attempt, 0) == 20001
    assert [path.name for path in file.parent.iterdir()] == ["port"]


@pytest.mark.parametrize("content", [b"", b"eighty", b"\xff"], ids=["empty", "a word", "no UTF-8"])
def test_a_damaged_port_file_is_named(tmp_path: Path, content: bytes) -> None:
    need = server_in(tmp_path)
    file = file_of(attempt_of(need), "port")
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(InvalidJob) as caught:
        host.start_server(need)
    assert caught.value.message == f"{file} does not hold a port; remove it"


def test_a_port_that_cannot_be_settled_is_named(tmp_path: Path) -> None:
    need = server_in(tmp_path)
    (Path(need.directory) / "attempts").write_text("in the way")
    with pytest.raises(BackendError, match=r"cannot write .*/deployment/attempts/1: Not a directory"):
        host.start_server(need)


def test_a_server_that_cannot_begin_is_refused_with_what_it_said(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path)
    (Path(need.directory) / "run.sh").write_text("echo 'no GPU' >&2; exit 1")
    with pytest.raises(InvalidJob, match="ended before it began: no GPU"):
        start_server(yard, need)


def test_a_server_that_ended_by_itself_is_seen_with_its_exit_code(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path, script="exit 9")
    handle = start_server(yard, need)
    until(lambda: leader(attempt_of(need)) is None)
    seen = host.observe(handle)
    assert seen is not None
    assert seen.exit is not None
    assert (seen.state, seen.exit.exit_code) == (JobState.FAILED, 9)


# --- logs -----------------------------------------------------------------------------------------------------------


def test_a_jobs_log_ends_when_the_job_has_ended(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "echo begun; until [ -e go ]; do sleep 0.02; done; printf 'no newline'; exit 0")
    yard.start(attempt)
    handle = handle_of(attempt)
    until(lambda: "begun" in everything(handle).lines)
    first = everything(handle)
    assert not first.ended
    (tmp_path / "go").touch()
    until(lambda: leader(attempt) is None)
    rest = host.read_logs(handle, "client", first.cursor, LOG_BYTES)
    assert rest.ended
    assert rest.lines[0].startswith("no newline")
    assert first.lines + rest.lines == everything(handle).lines


def test_a_log_that_has_not_begun_has_not_ended_either(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    yard.lead(attempt, PATIENT)
    assert everything(handle_of(attempt)) == LogChunk()


def test_the_server_role_of_a_job_is_the_log_of_the_server_beside_it(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path, script="echo serving; exec sleep 600")
    server = start_server(yard, need)
    until(lambda: "serving" in everything(server, "server").lines)
    attempt = job_in(tmp_path / "task", "echo evaluating; until [ -e go ]; do sleep 0.02; done")
    yard.start(attempt)
    job = handle_of(attempt)
    until(lambda: "evaluating" in everything(job).lines)
    beside = everything(job, "server")
    assert "serving" in beside.lines
    assert "evaluating" not in beside.lines
    assert not beside.ended
    assert beside == everything(server, "server") == everything(server)
    (tmp_path / "task" / "go").touch()
    until(lambda: leader(attempt) is None)
    assert everything(job, "server").ended
    assert not everything(server, "server").ended


def test_an_earlier_attempts_log_is_still_its_own(yard: Yard, tmp_path: Path) -> None:
    first = job_in(tmp_path, "echo attempt one")
    run_to_its_end(yard, first)
    second = job_in(tmp_path, "echo attempt two", number=2)
    run_to_its_end(yard, second)
    logs = {attempt.number: everything(handle_of(attempt)) for attempt in (first, second)}
    assert {number: [line for line in log.lines if line.startswith("attempt")] for number, log in logs.items()} == {
        1: ["attempt one"],
        2: ["attempt two"],
    }
    assert all(log.ended for log in logs.values())


# --- end ------------------------------------------------------------------------------------------------------------


def test_ending_leaves_files_alone_and_ends_jobs_and_servers(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path)
    server = start_server(yard, need)
    attempt = job_in(tmp_path / "task", PATIENT)
    pid = yard.start(attempt)
    files = Handle(name="files", mark=MARK, kind=NeedKind.FILES, data={"directory": str(tmp_path)})
    job = handle_of(attempt, grace_s=PATIENCE_S)
    # Only from its first words on does a script record that it was signalled.
    until(lambda: everything(job).lines)
    assert host.end([files, evolve(server, data={**server.data, "grace_s": str(PATIENCE_S)}), job], deadline()) == ()
    assert gone(pid)
    assert gone(int(server.id))
    ended = read_exit(attempt.directory, 1)
    assert ended is not None
    assert (ended.signal, ended.exit_code) == ("TERM", 143)
    assert host.observe(files) == Observation(state=JobState.RUNNING)


def deadline() -> float:
    return time.monotonic() + 2 * PATIENCE_S


def test_what_cannot_be_ended_is_handed_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handles = [handle_of(attempt_in(tmp_path / name), name=name) for name in ("one", "two")]
    monkeypatch.setattr(processes, "end", lambda *_: {"two"})
    assert host.end(handles, deadline()) == (handles[1],)

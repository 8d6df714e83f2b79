"""evalyard_local.host: model servers and their ports, logs of both roles, the end of all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve

from evalyard import (
    Handle,
    InvalidJob,
    JobState,
    LogChunk,
    Need,
    NeedKind,
    Observation,
    read_exit,
    server_script,
)
from evalyard_local import host, processes
from evalyard_local.processes import Attempt, leader
from tests.plugins.local.attempts import (
    MARK,
    PATIENCE_S,
    PATIENT,
    SCRIPT,
    Yard,
    attempt_in,
    gone,
    handle_of,
    job_in,
    make_server,
    until,
)

SERVER_NAME = "ey-a1b2c3d4-server-1"
OWNER = "0f1e2d3c"
LOG_BYTES = 100_000


def server_in(run_dir: Path, *, script: str = "exec sleep 600", port: int = 0, attempt: int = 1) -> Need:
    directory = run_dir / "deployment"
    directory.mkdir(exist_ok=True)
    (directory / "run.sh").write_text(server_script(make_server(script=script), "a1b2c3d4"), encoding="utf-8")
    return Need(
        key="server",
        kind=NeedKind.SERVER,
        directory=str(directory),
        argv=SCRIPT,
        payload={"port": port, "grace_s": 1.5, "withheld": ["MY_KEY"]},
        name=SERVER_NAME,
        mark=MARK,
        attempt=attempt,
    )


def attempt_of(need: Need) -> Attempt:
    return Attempt(directory=Path(need.directory), number=need.attempt, mark=need.mark)


def start_server(yard: Yard, need: Need) -> Handle:
    yard.clear_later(attempt_of(need))
    return host.start_server(need, OWNER)


def everything(handle: Handle, role: str = "client") -> LogChunk:
    return host.read_logs(handle, role, "", LOG_BYTES, alive=host.lives(handle))


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
    assert host.end([handle], deadline(), tmp_path) == ()
    assert Path(handle.outputs["exit_file"]).exists()


def test_a_server_in_a_container_is_told_its_names_and_gives_its_own_address(yard: Yard, tmp_path: Path) -> None:
    show = (
        'echo "$EVALYARD_SERVER_CONTAINER $EVALYARD_NETWORK $EVALYARD_NAME $EVALYARD_OWNER $PORT" >said; mv said ready'
    )
    need = server_in(tmp_path, script=f"{show}; exec sleep 600", port=8000)
    contained = {"base_url": "http://model:8000", "keep": "all"}
    handle = start_server(yard, evolve(need, payload={**need.payload, **contained}))
    assert handle.outputs == {
        **outputs(need, 8000),
        "base_url": "http://model:8000",
        "container": SERVER_NAME,
        "network": SERVER_NAME,
    }
    assert (handle.data["container"], handle.data["keep"]) == (SERVER_NAME, "all")
    assert host.find(tmp_path, {SERVER_NAME: MARK}) == {SERVER_NAME: handle}
    until((Path(need.directory) / "ready").exists)
    names = " ".join([SERVER_NAME] * 3)
    assert (Path(need.directory) / "ready").read_text() == f"{names} {OWNER} 8000\n"


def test_the_settled_port_survives_adoption(yard: Yard, tmp_path: Path) -> None:
    need = server_in(tmp_path)
    first = start_server(yard, need)
    port = int(first.outputs["base_url"].rpartition(":")[2])
    assert 0 < port < 65536
    assert start_server(yard, need) == first
    found = host.find(tmp_path, {SERVER_NAME: MARK})[SERVER_NAME]
    assert (found.kind, found.id, found.outputs) == (NeedKind.SERVER, first.id, first.outputs)


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
    rest = host.read_logs(handle, "client", first.cursor, LOG_BYTES, alive=False)
    assert rest.ended
    assert rest.lines[0].startswith("no newline")
    assert first.lines + rest.lines == everything(handle).lines


def test_a_log_that_has_not_begun_has_not_ended_either(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    yard.lead(attempt, PATIENT)
    assert everything(handle_of(attempt)) == LogChunk()


def test_a_log_ends_only_when_nobody_writes_it_any_more(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "printf 'no newline'")
    yard.run_to_its_end(attempt)
    with (tmp_path / "logs" / "stdout.log").open("a") as stream:
        stream.write("half")  # by a container whose script was killed
    handle = handle_of(attempt)
    for alive in (True, False):
        chunk = host.read_logs(handle, "client", "", LOG_BYTES, alive=alive)
        assert (chunk.ended, "half" in chunk.lines) == (not alive, not alive)


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
    yard.run_to_its_end(first)
    second = job_in(tmp_path, "echo attempt two", number=2)
    yard.run_to_its_end(second)
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
    assert (
        host.end([files, evolve(server, data={**server.data, "grace_s": str(PATIENCE_S)}), job], deadline(), tmp_path)
        == ()
    )
    assert gone(pid)
    assert gone(int(server.id))
    ended = read_exit(attempt.directory, 1)
    assert ended is not None
    assert (ended.signal, ended.exit_code) == ("TERM", 143)
    assert host.observe(files) == Observation(state=JobState.RUNNING)


def deadline() -> float:
    return time.monotonic() + 2 * PATIENCE_S


def test_a_script_not_heard_of_yet_is_revoked_and_never_does_its_work(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path / "task", ": >done")
    unheard = Handle(name="ey-a1b2c3d4-1-1", mark=MARK)
    assert host.end([unheard], deadline(), tmp_path) == ()
    yard.run_to_its_end(attempt)
    assert not (tmp_path / "task" / "done").exists()


def test_a_script_not_heard_of_that_began_after_all_is_ended(yard: Yard, tmp_path: Path) -> None:
    pid = yard.start(job_in(tmp_path / "task", PATIENT))
    assert host.end([Handle(name="ey-a1b2c3d4-1-1", mark=MARK)], deadline(), tmp_path) == ()
    assert gone(pid)


def test_what_cannot_be_ended_is_handed_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handles = [handle_of(attempt_in(tmp_path / name), name=name) for name in ("one", "two")]
    monkeypatch.setattr(processes, "end", lambda *_: {"two"})
    assert host.end(handles, deadline(), tmp_path) == (handles[1],)

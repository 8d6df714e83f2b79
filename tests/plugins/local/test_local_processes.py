"""evalyard_local.processes: what is ours and lives, and how it is started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from evalyard import InvalidJob, StartRecord, Transient, read_exit, read_start
from evalyard_local import processes
from evalyard_local.processes import end, leader, members, restarted_since, start
from tests.plugins.local.attempts import (
    MARK,
    OTHER_MARK,
    PATIENCE_S,
    PATIENT,
    SCRIPT,
    Yard,
    attempt_in,
    gone,
    job_in,
    moment,
    record_start,
    unreaped,
    until,
)


def soon() -> float:
    return time.monotonic() + PATIENCE_S


def record_of(*, started_at: str, boot: str = "") -> StartRecord:
    return StartRecord(attempt=1, mark=MARK, by_hand=False, pid=1, started_at=started_at, boot=boot)


def hide_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "environ", refuse)


# --- who is ours ----------------------------------------------------------------------------------------------------


def test_the_leader_is_the_recorded_process_that_carries_the_mark(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, PATIENT)
    found = leader(attempt)
    assert found is not None
    assert found.pid == process.pid


def test_without_a_record_there_is_no_leader(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    yard.spawn(PATIENT, tmp_path)
    assert leader(attempt) is None
    assert members({"job": attempt}) == {}


@pytest.mark.parametrize("environments_hidden", [False, True])
def test_a_zombie_is_dead(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environments_hidden: bool
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, PATIENT)
    assert leader(attempt) is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    if environments_hidden:
        hide_environments(monkeypatch)
    assert leader(attempt) is None


def test_a_script_that_we_started_ourselves_leaves_no_zombie(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "true")
    pid = yard.start(attempt)
    until(lambda: leader(attempt) is None)
    until(lambda: unreaped() == 0)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("strangers_mark", [None, OTHER_MARK])
def test_a_reused_process_id_is_not_ours_and_never_signalled(
    yard: Yard, tmp_path: Path, signals: list[tuple[int, int]], strangers_mark: str | None
) -> None:
    stranger = yard.spawn(PATIENT, tmp_path, mark=strangers_mark)
    attempt = attempt_in(tmp_path / "task")
    record_start(attempt, stranger.pid)
    assert leader(attempt) is None
    assert members({"job": attempt}) == {}
    assert end({"job": attempt}, {"job": 0.0}, soon()) == set()
    assert signals == []
    assert stranger.poll() is None


@pytest.mark.parametrize("environments_hidden", [False, True])
def test_an_attempt_recorded_under_another_mark_is_not_ours(
    yard: Yard,
    tmp_path: Path,
    signals: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    environments_hidden: bool,
) -> None:
    theirs = attempt_in(tmp_path, mark=OTHER_MARK)
    process = yard.lead(theirs, PATIENT)
    if environments_hidden:
        hide_environments(monkeypatch)
    ours = attempt_in(tmp_path)
    assert leader(ours) is None
    assert members({"job": ours}) == {}
    assert end({"job": ours}, {"job": 0.0}, soon()) == set()
    assert signals == []
    assert process.poll() is None


@pytest.mark.parametrize(("made_before_s", "is_ours"), [(0.0, True), (3600.0, False)])
def test_where_environments_are_hidden_the_time_of_making_decides(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_before_s: float, is_ours: bool
) -> None:
    process = yard.spawn(PATIENT, tmp_path)
    attempt = attempt_in(tmp_path)
    record_start(attempt, process.pid, started_at=moment(-made_before_s))
    hide_environments(monkeypatch)
    assert (leader(attempt) is not None) is is_ours
    assert set(members({"job": attempt})) == ({"job"} if is_ours else set())


def test_where_environments_are_hidden_the_time_of_making_speaks_for_the_leader_alone(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, "sleep 600 & echo $! >child; mv child ready; wait")
    with monkeypatch.context() as patched:
        hide_environments(patched)
        assert [member.pid for member in members({"job": attempt})["job"]] == [process.pid]


def test_where_environments_are_hidden_a_leader_is_still_ended(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, "exec sleep 600")
    hide_environments(monkeypatch)
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert gone(process.pid)


def test_members_are_found_when_the_leader_was_killed(yard: Yard, tmp_path: Path) -> None:
    attempt = attempt_in(tmp_path)
    process = yard.lead(attempt, "sleep 600 & echo $! >child; mv child ready; wait")
    child = int((tmp_path / "ready").read_text())
    assert {member.pid for member in members({"job": attempt})["job"]} == {process.pid, child}
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: leader(attempt) is None)
    assert {member.pid for member in members({"job": attempt})["job"]} == {child}
    assert end({"job": attempt}, {"job": PATIENCE_S}, soon()) == set()
    assert gone(child)


def test_members_of_several_attempts_are_told_apart(yard: Yard, tmp_path: Path) -> None:
    one, two = attempt_in(tmp_path / "one"), attempt_in(tmp_path / "two", mark=OTHER_MARK)
    ended = attempt_in(tmp_path / "three")
    pids = {"one": yard.lead(one, "exec sleep 600").pid, "two": yard.lead(two, "exec sleep 600").pid}
    found = members({"one": one, "two": two, "ended": ended})
    assert {name: [process.pid for process in found[name]] for name in found} == {
        name: [pid] for name, pid in pids.items()
    }


@pytest.mark.parametrize(
    ("booted_after_s", "restarted"),
    [(-3600.0, False), (0.0, False), (60.0, True)],
    ids=["before it", "as it started", "after it"],
)
def test_a_boot_after_the_start_is_a_restart_where_only_the_clock_tells(
    monkeypatch: pytest.MonkeyPatch, booted_after_s: float, restarted: bool
) -> None:
    now = time.time()
    monkeypatch.setattr(psutil, "boot_time", lambda: now + booted_after_s)
    assert restarted_since(record_of(started_at=moment())) is restarted
    assert restarted_since(record_of(started_at=moment(), boot="8c5b")) is False


def test_a_damaged_time_of_start_tells_nothing_of_restarts() -> None:
    assert restarted_since(record_of(started_at="yesterday")) is False


# --- start ----------------------------------------------------------------------------------------------------------


def test_a_started_script_has_its_attempt_a_session_and_its_environment(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, f'echo "$ANSWER $EVALYARD_ATTEMPT" >seen; mv seen ready; {PATIENT}', number=3)
    pid = yard.start(attempt, {"ANSWER": "42"})
    record = read_start(tmp_path, 3)
    assert record is not None
    assert (record.pid, record.mark, record.attempt, record.by_hand) == (pid, MARK, 3, False)
    assert os.getsid(pid) == pid != os.getsid(0)
    until((tmp_path / "ready").exists)
    assert (tmp_path / "ready").read_text() == "42 3\n"


def test_secrets_of_our_own_environment_are_withheld_but_what_a_shell_needs_is_not(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-canary")
    monkeypatch.setenv("OTHER", "kept")
    attempt = yard.clear_later(job_in(tmp_path, f"env >seen; mv seen ready; {PATIENT}"))
    start(attempt, SCRIPT, {"OWN": "given"}, withheld=["MY_KEY", "PATH", "HOME", "UNSET"])
    until((tmp_path / "ready").exists)
    seen = (tmp_path / "ready").read_text()
    assert "sk-canary" not in seen
    assert {"OTHER=kept", "OWN=given", f"PATH={os.environ['PATH']}"} <= set(seen.splitlines())


def test_the_loser_of_two_starts_adopts_the_winners_record(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, f"echo once >>count; : >ready; {PATIENT}")
    first = yard.start(attempt)
    assert start(attempt, SCRIPT, {}).pid == first
    until((tmp_path / "ready").exists)
    until(lambda: unreaped() == 1)
    assert (tmp_path / "count").read_text() == "once\n"


def test_of_starts_at_the_same_moment_one_wins(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, f"echo once >>count; : >ready; {PATIENT}")
    with ThreadPoolExecutor(4) as pool:
        pids = set(pool.map(yard.start, [attempt] * 4))
    assert len(pids) == 1
    until((tmp_path / "ready").exists)
    until(lambda: unreaped() == 1)
    assert (tmp_path / "count").read_text() == "once\n"


def test_an_attempt_that_has_ended_is_adopted_not_repeated(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "echo once >>count")
    first = yard.start(attempt)
    until(lambda: read_exit(tmp_path, 1))
    assert start(attempt, SCRIPT, {}).pid == first
    until(lambda: unreaped() == 0)
    assert (tmp_path / "count").read_text() == "once\n"


def test_an_attempt_of_somebody_else_is_refused(tmp_path: Path, yard: Yard) -> None:
    attempt = job_in(tmp_path, "echo once >>count")
    record_start(attempt, os.getpid(), mark=OTHER_MARK)
    with pytest.raises(InvalidJob, match=r"attempt 1 in .* was made under another mark"):
        yard.start(attempt)
    assert not (tmp_path / "count").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'no such shell' >&2; exit 3", "the job script ended before it began: no such shell"),
        ("exit 3", "the job script ended before it began: exit code 3"),
        ("printf '\\377 bytes' >&2; exit 1", "the job script ended before it began: \N{REPLACEMENT CHARACTER} bytes"),
    ],
    ids=["with words", "silently", "with words that are no UTF-8"],
)
def test_a_script_that_ends_before_it_begins_is_quoted(yard: Yard, tmp_path: Path, text: str, message: str) -> None:
    attempt = attempt_in(tmp_path)
    (tmp_path / "run.sh").write_text(text)
    with pytest.raises(InvalidJob) as caught:
        yard.start(attempt)
    assert caught.value.message == message


def test_a_script_that_is_missing_is_named(yard: Yard, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"ended before it began: .*run\.sh"):
        yard.start(attempt_in(tmp_path))


def test_a_folder_in_which_nothing_can_be_recorded_is_named(yard: Yard, tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "true")
    (tmp_path / "attempts").write_text("in the way")
    with pytest.raises(InvalidJob, match=r"cannot start: attempts/1/started\.json cannot be made in "):
        yard.start(attempt)


def test_a_program_that_is_not_executable_is_named(tmp_path: Path) -> None:
    attempt = job_in(tmp_path, "true")
    (tmp_path / "run.sh").chmod(0o644)
    with pytest.raises(InvalidJob) as caught:
        start(attempt, ("./run.sh",), {})
    assert caught.value.message == f"cannot start ./run.sh in {tmp_path}: Permission denied"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    attempt = job_in(tmp_path / "task", "true")
    (tmp_path / "task" / "run.sh").unlink()
    (tmp_path / "task").rmdir()
    with pytest.raises(InvalidJob) as caught:
        start(attempt, SCRIPT, {})
    assert caught.value.message == f"cannot start sh run.sh in {tmp_path / 'task'}: No such file or directory"


def test_a_script_that_does_not_begin_in_time_is_unclear_and_found_later(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = job_in(tmp_path, PATIENT)
    script = (tmp_path / "run.sh").read_text()
    (tmp_path / "run.sh").write_text(f"until [ -e go ]; do sleep 0.01; done\n{script}")
    with monkeypatch.context() as patched:
        patched.setattr(processes, "START_PATIENCE_S", 0.1)
        with pytest.raises(Transient, match="did not begin within"):
            yard.start(attempt)
    (tmp_path / "go").touch()
    until(lambda: leader(attempt) is not None)


def test_after_the_deadline_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = job_in(tmp_path, PATIENT)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("it was started"))
    with pytest.raises(Transient, match="no time was left to start the job script"):
        start(attempt, SCRIPT, {}, deadline=time.monotonic())


def test_interrupted_before_the_script_began_it_never_begins(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_in(tmp_path)
    (tmp_path / "run.sh").write_text(PATIENT)
    started: list[int] = []

    def interrupt(_: object, process: object, _deadline: float) -> None:
        started.append(getattr(process, "pid", 0))
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "_await_start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        yard.start(attempt)
    until(lambda: gone(started[0]))
